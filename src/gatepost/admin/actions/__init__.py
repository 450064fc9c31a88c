"""Every deed of an administrator, once: blocks, lists, rules, and looking at how things are."""
