"""How soon a block is in force in the kernel, and how soon a hundred thousand are again after a restart.

Job: measure the nftables mirror from `mark` to `settled`, beside a process of `nft` for each block. Promise: in a network namespace of its own, so
that this machine's tables are never touched. Limits: Linux and root; what the figures hold is the whole way: engine's answer, helper process, kernel.

    python bench/nftables.py [--blocks 2000] [--many 100000] [--json]
"""

import argparse
import asyncio
import contextlib
import ctypes
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from ipaddress import IPv4Address
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from gatepost.core.deeds import Hold
from gatepost.core.engine import Engine
from gatepost.core.subjects import Subject
from gatepost.outlets.nftables.mirror import NftablesMirror
from gatepost.outlets.nftables.wanted import NftablesSettings
from gatepost.pipeline.mirrors import Standing
from gatepost.pipeline.order import Order

CLONE_NEWNET = 0x40000000
HOUR = 3_600_000_000
FIRST, NEW = int(IPv4Address("240.0.0.0")), int(IPv4Address("250.0.0.0"))


def now() -> int:
    """The time, in microseconds."""
    return time.time_ns() // 1000


def hold(order: Order, number: int) -> tuple:
    """The effects of a hold of an address on SMTP."""
    at = now()
    return order.do(Hold(at, Subject("client", str(IPv4Address(number))), at + HOUR, ("smtp",)))


@contextlib.asynccontextmanager
async def mirror(order: Order, on_stop: str = "lift") -> AsyncIterator[NftablesMirror]:
    """A mirror at work, its table not built yet."""
    made = NftablesMirror(NftablesSettings(on_stop=on_stop), Standing(order.engine), now)
    made.spawn()
    work = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


async def timed(made: NftablesMirror, order: Order, number: int) -> float:
    """Milliseconds from the mark of one block until it is in force."""
    effects = hold(order, number)
    start = time.perf_counter()
    made.mark(effects)
    await made.settled()
    return (time.perf_counter() - start) * 1000


async def one_by_one(blocks: int, pause: float) -> list[float]:
    """Single blocks, with a pause between them."""
    order, took = Order(Engine()), []
    async with mirror(order) as made:
        await made.built()
        for number in range(blocks):
            took.append(await timed(made, order, FIRST + number))
            await asyncio.sleep(pause)
        assert made.state().working, made.state().problem
    return took


async def restart(many: int, keep: bool) -> dict[str, float]:
    """Many blocks after a restart, and new attackers meanwhile; ``keep``: the earlier run left its table."""
    order, waits = Order(Engine()), []
    for number in range(many):
        hold(order, FIRST + number)
    gc.collect()
    gc.freeze()  # as the guard does after its start
    if keep:
        async with mirror(order, "keep") as made:
            await made.built()
    async with mirror(order) as made:
        await asyncio.sleep(0.3)  # the helper is started before anything else is, in the guard too
        start = time.perf_counter()
        built = asyncio.create_task(made.built())
        while not built.done():
            waits.append(await timed(made, order, NEW + len(waits)))
            await asyncio.sleep(0.01)
        seconds = time.perf_counter() - start
        assert made.state().decided == made.state().enforced
    return {"seconds": seconds, "new_p50_ms": median(waits), "new_max_ms": max(waits), "new": len(waits)}


def by_nft(blocks: int) -> list[float]:
    """The same, by a process of nft for each block."""
    subprocess.run(["nft", "add table inet bench; add set inet bench s { type ipv4_addr; flags timeout; }"], check=True)
    took = []
    for number in range(blocks):
        start = time.perf_counter()
        subprocess.run(["nft", f"add element inet bench s {{ {IPv4Address(FIRST + number)} timeout 1h }}"], check=True)
        took.append((time.perf_counter() - start) * 1000)
    return took


def figures(took: list[float]) -> dict[str, float]:
    """The median and the slow end."""
    ordered = sorted(took)
    return {"p50_ms": median(ordered), "p99_ms": ordered[len(ordered) * 99 // 100], "max_ms": ordered[-1]}


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--blocks", type=int, default=2000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if os.geteuid() != 0 or ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        print("not run: a network namespace of its own needs root", file=sys.stderr)
        return 1
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    rows = {
        "one block, now and then": figures(asyncio.run(one_by_one(min(options.blocks, 500), 0.005))),
        "one block, one after the other": figures(asyncio.run(one_by_one(options.blocks, 0))),
        "one block, a process of nft": figures(by_nft(min(options.blocks, 500))),
        f"{options.many} after a reboot": asyncio.run(restart(options.many, keep=False)),
        f"{options.many} after a restart that kept the table": asyncio.run(restart(options.many, keep=True)),
    }
    if options.json:
        print(json.dumps(rows))
    else:
        for name, row in rows.items():
            print(f"{name:45} " + "  ".join(f"{what} {value:.3f}" for what, value in row.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
