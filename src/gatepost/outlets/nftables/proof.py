"""Does our table really drop?

Job: a real connection on loopback, before, while and after its address stands in a set of our table. Promise: nobody else's packets are touched: the
address is one of 127.0.0.0/8 that nobody uses, the port one that the kernel has just given to us. Limits: it proves this network namespace and our
chain's place in it; what other tables drop is theirs.
"""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

from gatepost.outlets.nftables.messages import Done, Failed, Probe, Reply
from gatepost.pipeline.mirrors import Proof

PATIENCE = 0.5
"""Seconds after which a packet on loopback was dropped."""
LISTEN = "127.0.0.1"

Ask = Callable[[Probe], Awaitable[Reply]]


async def prove(ask: Ask, table: str) -> Proof:
    """Tries it out. ``ask`` puts a probe to the helper, and may raise what it likes."""
    source = f"127.{random.randint(64, 127)}.{random.randint(0, 255)}.{random.randint(1, 254)}"  # noqa: S311 - it hides nothing
    with socket.socket() as listening:
        listening.setblocking(False)
        try:
            listening.bind((LISTEN, 0))
            listening.listen(8)
        except OSError as wrong:
            return _not_tried(f"this host has no loopback to try it on ({wrong.strerror})", "ip link set lo up")
        port = listening.getsockname()[1]
        if not await passes(source, port):
            cure = "is loopback up (ip link show lo)? does another table drop what comes from 127.0.0.0/8 (nft list ruleset)?"
            return _not_tried(f"a connection on loopback, from {source}, does not come through anyway", cure)
        address = socket.inet_aton(source)
        answer = await ask(Probe(address, port, drop=True))
        if isinstance(answer, Failed):
            return _not_tried(f"the kernel took no probe: {answer.said}", "try again in a moment; gatepost status tells more")
        try:
            dropped = not await passes(source, port)
        finally:
            removed = await ask(Probe(address, port, drop=False))
        again = await passes(source, port)
    if not dropped:
        cure = f"is its chain prerouting there, and hooked? nft list table inet {table}; restarting gatepost builds it anew"
        return Proof(works=False, said="a packet from an address that was just blocked came through: nothing is really dropped", cure=cure)
    if not again or not isinstance(removed, Done):
        cure = f"restart gatepost, which builds table inet {table} anew"
        return Proof(works=False, said="an address that was just unblocked is still dropped", cure=cure)
    return Proof(works=True, said="it really drops: a connection came through, was dropped while its address was blocked, and came through again")


def _not_tried(said: str, cure: str) -> Proof:
    return Proof(works=None, said=f"could not try out whether it really drops: {said}", cure=cure)


async def passes(source: str, port: int) -> bool:
    """Whether a connection from an address of loopback to a port is there in a moment."""
    with socket.socket() as trying:
        trying.setblocking(False)
        with suppress(OSError):  # a time-out is one too
            trying.bind((source, 0))
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(trying, (LISTEN, port)), PATIENCE)
            return True
    return False
