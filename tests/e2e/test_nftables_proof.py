"""What the mirror proves and counts, against the kernel: that it really drops, and how much.

Job: the proof of `gatepost doctor`, and the counters behind the metrics. Promise, limits: as test_nftables.py.
"""

import asyncio

from gatepost.core.access import Entry
from tests.e2e.kernel import Servers, Site, guarding, in_kernel, nft

ATTACKER, OTHER = "203.0.113.7", "192.0.2.9"


@in_kernel
async def test_a_proof_shows_that_it_really_drops_and_leaves_nothing_behind(site: Site) -> None:
    async with Servers().open(25), guarding(read_back=1) as guard:
        await guard.hold(ATTACKER)
        before = nft("-s", "list", "ruleset")
        for _ in range(2):
            proof = await guard.mirror.prove()
            assert (proof.works, "it really drops" in proof.said) == (True, True), proof
        assert nft("-s", "list", "ruleset") == before
        await asyncio.sleep(1.2)  # a look at what stands
        assert (guard.mirror.state().mended, await site.knocks(ATTACKER, 25)) == (0, ["silence"])


@in_kernel
async def test_a_proof_finds_out_that_nothing_is_dropped(site: Site) -> None:
    async with Servers().open(25), guarding(read_back=60) as guard:
        await guard.hold(ATTACKER)
        nft("add table inet gatepost { flags dormant; }")  # all of it stands, and none of it is hooked
        assert await site.knocks(ATTACKER, 25) == ["open"]
        proof = await guard.mirror.prove()
        assert (proof.works, "nothing is really dropped" in proof.said, "nft list table inet gatepost" in proof.cure) == (False, True, True), proof


@in_kernel
async def test_a_proof_that_cannot_be_made_is_none(site: Site) -> None:
    async with guarding() as guard:
        nft("add table inet other")
        nft("add chain inet other input { type filter hook input priority 0; }")
        nft('add rule inet other input iifname "lo" drop')
        try:
            proof = await guard.mirror.prove()
        finally:
            nft("delete table inet other")
        assert (proof.works, "could not try out" in proof.said, bool(proof.cure)) == (None, True, True), proof


@in_kernel
async def test_what_the_kernel_dropped_is_counted_over_rules_made_anew(site: Site) -> None:
    async with Servers().open(25), guarding(Entry(verb="deny", prefix=OTHER)) as guard:

        async def told(many: int) -> dict[str, int]:
            found: dict[str, int] = {}
            for _ in range(300):
                found = {f"{each.why} {each.ports}": each.packets for each in guard.mirror.state().dropped}
                if len(found) > 1 and sum(found.values()) >= many:
                    break
                await asyncio.sleep(0.05)
            return found

        await guard.hold(ATTACKER, "smtp")
        assert [*await site.knocks(ATTACKER, 25), *await site.knocks(OTHER, 25)] == ["silence", "silence"]
        first = await told(2)
        assert (first["hand smtp"] >= 1, first["deny all"] >= 1) == (True, True), first
        await guard.hold("2001:db8:77::/48", "imap")  # a set that is new: all rules are made anew
        assert await site.knocks(ATTACKER, 25) == ["silence"]
        second = await told(sum(first.values()) + 1)
        assert second["hand smtp"] > first["hand smtp"]
        assert second["deny all"] >= first["deny all"]
