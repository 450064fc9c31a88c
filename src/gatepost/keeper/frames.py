"""How daemon and keeper speak: messages over their socket.

Job: bytes from a message, and a question from bytes. Promise: both ends have the same hooks; the daemon need not load what the keeper works with.
Limits: one host; who can write to the socket is trusted.
"""

import msgspec

from gatepost.core.spans import decode_span, encode_span
from gatepost.pipeline.previews import AskCancel, AskPreview
from gatepost.pipeline.recall import AskForget, AskWhy
from gatepost.pipeline.reports import AskReport

Question = AskWhy | AskReport | AskForget | AskPreview | AskCancel
QUESTIONS = msgspec.msgpack.Decoder(Question, dec_hook=decode_span)
_ENCODER = msgspec.msgpack.Encoder(enc_hook=encode_span)


def frame(message: msgspec.Struct) -> bytes:
    """A message as it goes over the socket: its length in four bytes, and it."""
    data = _ENCODER.encode(message)
    return len(data).to_bytes(4) + data
