"""The kernel's side: what stands, as a table of nftables.

`mirror` (in the main process) reads what stands and tells `helper` (a process of its own, which alone holds CAP_NET_ADMIN) what to change, in the
typed messages of `messages`, over `link`. `wanted` turns decisions and list entries into elements of sets, `ruleset` turns sets into commands;
both are pure. `libnftables`, `netlink`, `writer` and `sockets` speak to the kernel, for the helper alone; `drops` adds up what it counted.
`capabilities` drops rights, `proof` tries out whether a block really drops. Whom no block may hit `admin.desk` decides.
"""
