"""The messages: whole, typed, and nothing else."""

import msgspec
import pytest

from gatepost.outlets.nftables.messages import Apply, Done, End, Failed, Key, Layout, Put, Read, Scope, Seen, Stop, Take, frame, reply, request

KEY = Key("rule", 4, 32, "smtp")
REQUESTS = [
    Apply(layout=Layout("drop", {"smtp": (25,)}, (KEY,)), put=[Put(KEY, [(b"\1\2\3\4", 5)])], take=[Take(KEY, [b"\1\2\3\4"])], fresh=True),
    Apply(ends=[End(Scope(b"\1\2\3\4", 32, (25,)), (Scope(b"\1\2\3\4", 24, (25,)),))]),
    Read(deep=True),
    Stop(lift=True),
]


@pytest.mark.parametrize("message", REQUESTS)
def test_requests_arrive_as_they_were_sent(message: Apply | Read | Stop) -> None:
    sent = frame(message)
    assert int.from_bytes(sent[:4], "big") == len(sent) - 4
    assert request(sent[4:]) == message


@pytest.mark.parametrize("message", [Done(5, True), Failed("rights", "x"), Seen(False, True, KEY, [(b"\1\2\3\4", 1)], done=False)])
def test_replies_arrive_as_they_were_sent(message: Done | Failed | Seen) -> None:
    assert reply(frame(message)[4:]) == message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        msgspec.msgpack.encode([2]) + b"x",
        msgspec.msgpack.encode([9]),
        msgspec.msgpack.encode([1, None, [[["rule", 4, 32, "smtp"], [["192.0.2.7", 5]]]]]),
        msgspec.msgpack.encode([1, None, [[["flush", 4, 32, "smtp"], []]]]),
        msgspec.msgpack.encode([1, None, [[["rule", 4, 200, "smtp"], []]]]),
        msgspec.msgpack.encode([3, True, "gatepost; flush ruleset"]),
    ],
)
def test_nonsense_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        request(body)
