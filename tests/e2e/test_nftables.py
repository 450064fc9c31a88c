"""Real packets between namespaces: what is held is dropped on its ports, and nothing else is.

Job: prove the nftables mirror against the kernel. Promise: nothing here looks at how long anything took, and this machine's own tables are never
touched. Limits: needs root, nft and network namespaces; skips with the reason where one is missing.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from gatepost.core.access import Entry
from gatepost.core.deeds import Hold
from gatepost.core.engine import Engine
from gatepost.core.subjects import Subject
from gatepost.pipeline.order import Order
from tests.e2e.kernel import PORTS, V4, Servers, Site, guarding, in_kernel, nft, now

ATTACKER, NEIGHBOUR, OTHER = "203.0.113.7", "203.0.113.8", "192.0.2.9"
ATTACKER6, NEIGHBOUR6, OTHER6 = "2001:db8:1::7", "2001:db8:1::8", "2001:db8:1:1::7"
FOREIGN = """table ip other {
    set names { type ipv4_addr; flags timeout; elements = { 192.0.2.77 } }
    chain input { type filter hook input priority 0; policy accept; ip saddr @names counter drop; }
}
table inet firewalld {
    chain x { tcp dport 22 accept; }
}
"""


@in_kernel
async def test_a_hold_on_smtp_leaves_imap_open(site: Site) -> None:
    async with Servers().open(*PORTS), guarding() as guard:
        for attacker, other in ((ATTACKER, NEIGHBOUR), (ATTACKER6, NEIGHBOUR6)):
            assert await site.knocks(attacker, 25, 143) == ["open", "open"]
            await guard.hold(attacker, "smtp")
            assert await site.knocks(attacker, *PORTS) == ["silence", "open", "silence", "open"]
            assert await site.knocks(other, 25, 587) == ["open", "open"]


@in_kernel
async def test_networks_are_held_whole(site: Site) -> None:
    async with Servers().open(*PORTS), guarding() as guard:
        await guard.hold("203.0.113.0/24")
        await guard.hold("2001:db8:1::/64", "imap")
        assert [*await site.knocks(ATTACKER, 25, 143), *await site.knocks(NEIGHBOUR, 993)] == ["silence"] * 3
        assert await site.knocks(OTHER, 25, 143) == ["open"] * 2
        assert [*await site.knocks(ATTACKER6, 25, 143), *await site.knocks(NEIGHBOUR6, 993)] == ["open", "silence", "silence"]
        assert await site.knocks(OTHER6, 25, 143) == ["open"] * 2


@in_kernel
async def test_a_rule_that_fires_holds_at_its_nth_failure_and_not_before(site: Site) -> None:
    async with Servers().open(*PORTS), guarding() as guard:
        await guard.fail_log_ins(ATTACKER, 49)
        assert await site.knocks(ATTACKER, 143) == ["open"]
        await guard.fail_log_ins(ATTACKER, 1)
        assert await site.knocks(ATTACKER, 143, 25) == ["silence", "open"]
        assert guard.elements()["login_imap_4_32"]


@in_kernel
async def test_the_longest_prefix_of_the_lists_decides(site: Site) -> None:
    entries = (
        Entry(verb="deny", prefix="203.0.113.0/24"),
        Entry(verb="allow", prefix=ATTACKER, protocols=("smtp",)),
        Entry(verb="allow", prefix="192.0.2.0/24"),
        Entry(verb="deny", prefix=OTHER),
        Entry(verb="deny", prefix="2001:db8:1::/48"),
        Entry(verb="allow", prefix="2001:db8:1:1::/64"),
    )
    async with Servers().open(*PORTS), guarding(*entries) as guard:
        assert await site.knocks(ATTACKER, 25, 143) == ["open", "silence"]
        assert await site.knocks(NEIGHBOUR, 25) == ["silence"]
        assert await site.knocks(OTHER, 25) == ["silence"]
        assert await site.knocks("192.0.2.10", 25) == ["open"]
        assert [*await site.knocks(ATTACKER6, 25), *await site.knocks(OTHER6, 25)] == ["silence", "open"]
        await guard.adopt()
        assert [*await site.knocks(NEIGHBOUR, 25), *await site.knocks(OTHER, 25), *await site.knocks(ATTACKER6, 25)] == ["open"] * 3


@in_kernel
async def test_everything_can_be_denied_but_what_is_allowed(site: Site) -> None:
    entries = (Entry(verb="deny", prefix="0.0.0.0/0"), Entry(verb="deny", prefix="::/0"), Entry(verb="allow", prefix=ATTACKER))
    async with Servers().open(25), guarding(*entries):
        assert [*await site.knocks(ATTACKER, 25), *await site.knocks(OTHER, 25), *await site.knocks(OTHER6, 25)] == ["open", "silence", "silence"]


@in_kernel
async def test_an_allowed_address_in_a_held_network_gets_in_and_keeps_its_connection(site: Site) -> None:
    servers = Servers()
    async with servers.open(*PORTS), guarding(Entry(verb="allow", prefix=NEIGHBOUR)) as guard:
        kept, lost = await asyncio.to_thread(site.connect, NEIGHBOUR, 25), await asyncio.to_thread(site.connect, ATTACKER, 25)
        await guard.hold("203.0.113.0/24")
        await _until(lambda: ATTACKER in servers.ended)
        assert await site.knocks(NEIGHBOUR, 25) == ["open"]
        assert await site.knocks(ATTACKER, 25) == ["silence"]
        assert kept.getpeername()[1] == 25
        kept.send(b"still here")
        assert servers.ended.get(NEIGHBOUR) != "ConnectionAbortedError"
        kept.close()
        lost.close()


@in_kernel
async def test_an_entry_for_log_ins_goes_before_a_shorter_deny_and_holds_for_failed_log_ins_alone(site: Site) -> None:
    entries = (Entry(verb="deny", prefix="203.0.113.0/24"), Entry(verb="allow", prefix=ATTACKER, logins=True))
    async with Servers().open(*PORTS), guarding(*entries) as guard:
        assert [*await site.knocks(ATTACKER, 25), *await site.knocks(NEIGHBOUR, 25)] == ["open", "silence"]
        await guard.fail_log_ins(ATTACKER, 60)
        assert await site.knocks(ATTACKER, 143) == ["open"]
        await guard.hold(ATTACKER, "imap")
        assert await site.knocks(ATTACKER, 143) == ["silence"]


@in_kernel
async def test_a_relay_entry_opens_no_port(site: Site) -> None:
    entries = (Entry(verb="deny", prefix="203.0.113.0/24"), Entry(verb="allow", prefix=ATTACKER, detection=False, relay=True))
    async with Servers().open(25), guarding(*entries):
        assert await site.knocks(ATTACKER, 25) == ["silence"]


@in_kernel
async def test_grace_goes_before_holds_of_rules(site: Site) -> None:
    async with Servers().open(*PORTS), guarding() as guard:
        await guard.fail_log_ins(ATTACKER)
        assert await site.knocks(ATTACKER, 143) == ["silence"]
        await guard.lift(ATTACKER, grace=60)
        assert await site.knocks(ATTACKER, 143) == ["open"]
        assert guard.elements()["grace_all_4_32"]
        await guard.hold("203.0.113.0/24", "imap")
        assert await site.knocks(ATTACKER, 143) == ["silence"], "an administrator's hold is meant"


@in_kernel
async def test_an_open_connection_ends_and_so_does_the_servers_socket(site: Site) -> None:
    servers = Servers()
    async with servers.open(*PORTS), guarding() as guard:
        for attacker in (ATTACKER, ATTACKER6):
            smtp, imap = [await asyncio.to_thread(site.connect, attacker, port) for port in (25, 143)]
            await guard.hold(attacker, "smtp")
            await _until(lambda who=attacker: servers.ended.get(who) == "ConnectionAbortedError")  # type: ignore[misc]
            with pytest.raises(ConnectionResetError):
                smtp.recv(1)
            imap.setblocking(False)
            with pytest.raises(BlockingIOError):
                imap.recv(1)
            smtp.close()
            imap.close()


@in_kernel
async def test_an_ipv4_socket_ends_too(site: Site) -> None:
    servers = Servers()
    server = await asyncio.start_server(servers.greet, sock=socket.create_server((V4, 110)))
    async with guarding() as guard:
        sock = await asyncio.to_thread(site.connect, ATTACKER, 110)
        await guard.adopt(Entry(verb="deny", prefix="203.0.113.0/24"))
        await _until(lambda: servers.ended.get(ATTACKER) == "ConnectionAbortedError")
        sock.close()
    server.close()


@in_kernel
async def test_a_dropped_connection_stays_where_sockets_are_left_alone(site: Site) -> None:
    servers = Servers()
    async with servers.open(25), guarding(destroy_sockets=False) as guard:
        sock = await asyncio.to_thread(site.connect, ATTACKER, 25)
        await guard.hold(ATTACKER)
        sock.send(b"QUIT\r\n")
        await asyncio.sleep(0.3)
        assert not servers.ended
        sock.close()


@in_kernel
async def test_a_hold_runs_out_by_itself(site: Site) -> None:
    async with Servers().open(25), guarding() as guard:
        await guard.hold(ATTACKER, seconds=2)
        assert await site.knocks(ATTACKER, 25) == ["silence"]
        await site.becomes("open", ATTACKER, 25)


@in_kernel
async def test_a_second_hold_renews_the_time_and_lifting_ends_it(site: Site) -> None:
    async with Servers().open(25), guarding() as guard:
        await guard.hold(ATTACKER, seconds=2)
        await guard.hold(ATTACKER, seconds=900)
        (element,) = guard.elements()["hand_all_4_32"]
        assert element["elem"]["timeout"] > 800
        await guard.lift(ATTACKER)
        assert await site.knocks(ATTACKER, 25) == ["open"]


@in_kernel
async def test_an_element_that_has_just_run_out_is_put_again(site: Site) -> None:
    async with guarding(read_back=60) as guard:
        for _ in range(20):
            await guard.hold(ATTACKER, seconds=0.02)
            await asyncio.sleep(0.02)
        assert guard.mirror.state().working


@in_kernel
@pytest.mark.parametrize(
    "command",
    [
        "delete table inet gatepost",
        "flush ruleset",
        "flush table inet gatepost",
        "flush set inet gatepost hand_all_4_32",
        "add table inet gatepost { flags dormant; }",
    ],
)
async def test_what_somebody_removed_comes_back(site: Site, command: str) -> None:
    async with Servers().open(25), guarding(Entry(verb="deny", prefix=OTHER)) as guard:
        await guard.hold(ATTACKER)
        nft(command)
        assert await site.knocks(ATTACKER, 25) == ["open"]
        await site.becomes("silence", ATTACKER, 25)
        assert await site.knocks(OTHER, 25) == ["silence"]
        state = guard.mirror.state()
        assert (state.working, state.decided, state.enforced) == (True, state.decided, state.decided)
        assert state.mended


@in_kernel
async def test_what_somebody_added_goes(site: Site) -> None:
    async with Servers().open(25), guarding() as guard:
        await guard.hold(ATTACKER)
        nft(f"add element inet gatepost hand_all_4_32 {{ {OTHER} timeout 1h }}")
        assert await site.knocks(OTHER, 25) == ["silence"]
        await site.becomes("open", OTHER, 25)
        assert await site.knocks(ATTACKER, 25) == ["silence"]
        assert guard.mirror.state().mended == 1


@in_kernel
async def test_a_table_removed_is_back_with_the_next_hold(site: Site) -> None:
    async with Servers().open(25), guarding(read_back=600) as guard:
        await guard.hold(ATTACKER)
        nft("delete table inet gatepost")
        await guard.hold(OTHER)
        assert await site.knocks(OTHER, 25) == ["silence"]
        await site.becomes("silence", ATTACKER, 25)


@in_kernel
async def test_foreign_tables_are_as_they_were(site: Site) -> None:
    subprocess.run(["nft", "-f", "-"], input=FOREIGN, text=True, check=True)
    before = [nft("-a", "list", "table", *name.split()) for name in ("ip other", "inet firewalld")]
    async with Servers().open(25), guarding(on_stop="lift") as guard:
        await guard.hold(ATTACKER)
        await guard.adopt(Entry(verb="deny", prefix=OTHER))
        await guard.lift(ATTACKER)
        nft("delete table inet gatepost")
        await site.becomes("silence", OTHER, 25)
    assert [nft("-a", "list", "table", *name.split()) for name in ("ip other", "inet firewalld")] == before
    assert "gatepost" not in nft("list", "tables")


@in_kernel
async def test_a_published_port_is_covered(site: Site) -> None:
    """As containers do it: the port that the client sees leads to another port of another address."""
    site.host.sysctl("ipv4.conf.all.route_localnet", "1")
    nft("add table ip nat")
    nft("add chain ip nat pre { type nat hook prerouting priority dstnat; policy accept; }")
    nft("add rule ip nat pre tcp dport 25 dnat to 127.0.0.1:2525")
    async with Servers().open(2525), guarding() as guard:
        assert await site.knocks(ATTACKER, 25) == ["open"]
        kept = await asyncio.to_thread(site.connect, ATTACKER, 25)
        await guard.hold(ATTACKER, "smtp")
        assert [*await site.knocks(ATTACKER, 25), *await site.knocks(NEIGHBOUR, 25)] == ["silence", "open"]
        kept.send(b"into the void")
        kept.settimeout(0.3)
        with pytest.raises(TimeoutError):
            kept.recv(1)
        kept.close()


@in_kernel
async def test_reject_answers_with_a_reset(site: Site) -> None:
    async with Servers().open(*PORTS), guarding(Entry(verb="deny", prefix=OTHER), action="reject") as guard:
        await guard.hold(ATTACKER, "smtp")
        await guard.hold("2001:db8:1::/64")
        assert [*await site.knocks(ATTACKER, 25, 143), *await site.knocks(OTHER, 143)] == ["reset", "open", "reset"]
        assert await site.knocks(ATTACKER6, 993) == ["reset"]


@in_kernel
async def test_stopping_keeps_what_stands_or_lifts_it(site: Site) -> None:
    async with Servers().open(25):
        for on_stop, left in (("keep", "silence"), ("lift", "open")):
            async with guarding(on_stop=on_stop) as guard:
                await guard.hold(ATTACKER)
            assert await site.knocks(ATTACKER, 25) == [left]


@in_kernel
async def test_a_restart_keeps_what_stands_and_removes_what_was_lifted_meanwhile(site: Site) -> None:
    async with Servers().open(25):
        async with guarding() as guard:
            for number in range(200):
                await guard.hold(f"192.0.2.{number}")
            await guard.hold(ATTACKER)
            await guard.hold(NEIGHBOUR, "smtp", "imap")
        order = Order(Engine())
        for number in range(100, 200):
            order.do(Hold(now(), Subject("client", f"192.0.2.{number}"), now() + 600_000_000))
        order.do(Hold(now(), Subject("client", ATTACKER), now() + 600_000_000))
        async with guarding(order=order) as guard:
            assert {len(guard.elements()["hand_all_4_32"]), guard.mirror.state().enforced - 10} == {101}
            assert [*await site.knocks(ATTACKER, 25), *await site.knocks(NEIGHBOUR, 25)] == ["silence", "open"]


@in_kernel
async def test_a_worker_that_is_killed_comes_back(site: Site) -> None:
    async with Servers().open(25), guarding() as guard:
        await guard.hold(ATTACKER)
        for _ in range(3):
            (worker,) = _children(guard.mirror.link.keeper or 0)
            os.kill(worker, signal.SIGKILL)
            await guard.hold(OTHER)
            assert [*await site.knocks(ATTACKER, 25), *await site.knocks(OTHER, 25)] == ["silence", "silence"]
        keeper = guard.mirror.link.keeper or 0
        (worker,) = _children(keeper)
        os.kill(keeper, signal.SIGKILL)
        os.kill(worker, signal.SIGKILL)
        await guard.hold(NEIGHBOUR)
        assert await site.knocks(NEIGHBOUR, 25) == ["silence"]
        assert guard.mirror.state().mended == 0


@in_kernel
async def test_without_rights_it_observes_and_says_what_cures_it(site: Site) -> None:
    script = """
        from gatepost.outlets.nftables.capabilities import drop_capabilities
        drop_capabilities()
        async def main():
            async with guarding() as guard:
                await guard.hold("203.0.113.7")
                state = guard.mirror.state()
                assert not state.working and state.enforced == 0 and "CAP_NET_ADMIN" in state.problem, state
                print("observes")
    """
    assert (await _script(script)).split() == ["observes"]
    assert "gatepost" not in nft("list", "tables")


@in_kernel
async def test_the_main_process_holds_no_capability_and_the_helper_one(site: Site) -> None:
    script = """
        import os, signal
        from gatepost.outlets.nftables.capabilities import drop_capabilities
        def rights(pid):
            with open(f"/proc/{pid}/status") as status:
                return {line.split()[0]: int(line.split()[1], 16) for line in status if line.startswith(("CapEff", "CapPrm", "CapBnd", "CapAmb"))}
        async def main():
            guard = Guard(NftablesSettings())
            guard.mirror.link.spawn()
            drop_capabilities()
            asyncio.create_task(guard.mirror.run())
            await guard.mirror.built()
            for _ in range(2):
                await guard.hold("203.0.113.7")
                keeper = guard.mirror.link.keeper
                (worker,) = (int(pid) for pid in open(f"/proc/{keeper}/task/{keeper}/children").read().split())
                assert set(rights("self").values()) == {0}, rights("self")
                for pid in (keeper, worker):
                    assert rights(pid) == {"CapEff:": 1 << 12, "CapPrm:": 1 << 12, "CapBnd:": 1 << 12, "CapAmb:": 0}, rights(pid)
                os.kill(worker, signal.SIGKILL)  # it comes back though we hold no right any more
            await guard.hold("203.0.113.8")
            assert guard.mirror.state().working
            print("done")
    """
    assert (await _script(script)).split() == ["done"]


@in_kernel
@pytest.mark.parametrize(("on_stop", "left"), [("keep", True), ("lift", False)])
async def test_a_main_process_that_is_killed_takes_its_helper_with_it(site: Site, on_stop: str, left: bool) -> None:
    script = f"""
        import os, signal
        async def main():
            async with guarding(on_stop="{on_stop}") as guard:
                await guard.hold("203.0.113.7", seconds=600)
                print("held", flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
    """
    assert (await _script(script, -signal.SIGKILL)).split() == ["held"]
    await _until(lambda: not _named("gatepost.outlets.nftables.helper"))
    assert ("inet gatepost" in nft("list", "tables")) == left


@in_kernel
async def test_ten_thousand_holds(site: Site) -> None:
    order = Order(Engine())
    for number in range(10_000):
        order.do(Hold(now(), Subject("client", f"10.{number >> 8}.{number & 255}.1"), now() + 600_000_000, ("smtp", "imap")))
    async with Servers().open(25), guarding(order=order) as guard:
        assert {name: len(found) for name, found in guard.elements().items() if name.startswith("hand")} == {
            "hand_smtp_4_32": 10_000,
            "hand_imap_4_32": 10_000,
        }
        await guard.hold(ATTACKER)
        assert await site.knocks(ATTACKER, 25) == ["silence"]
        nft("flush set inet gatepost hand_imap_4_32")
        await _until(lambda: guard.mirror.state().mended == 10_000)
        assert len(guard.elements()["hand_imap_4_32"]) == 10_000


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not true():
            await asyncio.sleep(0.02)


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def _named(module: str) -> list[int]:
    """The helpers in this namespace."""
    here = os.readlink("/proc/thread-self/ns/net")
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if module.encode() in (process / "cmdline").read_bytes() and os.readlink(process / "ns" / "net") == here:
                found.append(int(process.name))
        except OSError:
            continue
    return found


async def _script(body: str, code: int = 0) -> str:
    """Runs a process of its own inside the namespace; what it prints. ``main`` is a coroutine function of it."""
    head = "import asyncio\nfrom tests.e2e.kernel import Guard, NftablesSettings, guarding\n"
    text = head + textwrap.dedent(body) + "\nasyncio.run(main())\n"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(("src", "."))}
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", text], capture_output=True, text=True, check=False, env=env, timeout=60)
    assert done.returncode == code, done.stderr
    return done.stdout
