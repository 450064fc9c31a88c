"""How fast Postfix's questions are answered, beside a bare echo server on the same loop and Postfix's own look-up of an address.

    python bench/postfix_policy.py [--seconds 2] [--connections 1,16,50,500] [--backlog-lines 1000000]

Job: have asking.py measure the inlet, and time `postmap -q`. Promise: the questions are whole, as Postfix 3.7 writes them, from many addresses.
Limits: those of asking.py.
"""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from asking import Asked, addresses, main, now

from gatepost.inlets.postfix_policy import PostfixPolicyInlet, PostfixPolicySettings
from gatepost.pipeline.guard import Guard
from gatepost.wire.postfix_policy import DUNNO

LOOKUPS = 200_000
QUESTION = """request=smtpd_access_policy
protocol_state=RCPT
protocol_name=ESMTP
client_address={client}
client_name=mail.friend.example
client_port=40312
reverse_client_name=mail.friend.example
server_address=198.51.100.25
server_port=25
helo_name=mail.friend.example
sender=friend@friend.example
recipient=bob@example.org
recipient_count=0
queue_id=
instance=1f2e.674ab2c1.{number:x}.0
size=12345
etrn_domain=
stress=
sasl_method=
sasl_username=
sasl_sender=
ccert_subject=
ccert_issuer=
ccert_fingerprint=
ccert_pubkey_fingerprint=
encryption_protocol=TLSv1.3
encryption_cipher=TLS_AES_256_GCM_SHA384
encryption_keysize=256
policy_context=access

"""


def questions() -> list[bytes]:
    """What is asked, in turn."""
    return [QUESTION.format(client=address, number=number).encode() for number, address in enumerate(addresses())]


def inlet(guard: Guard) -> PostfixPolicyInlet:
    """What is measured."""
    return PostfixPolicyInlet(PostfixPolicySettings(listen="127.0.0.1:0"), guard, now, str.lower, "mx")


def lookups() -> None:
    """What Postfix's own look-up of an address costs, without any conversation, as postmap(1) does it."""
    if shutil.which("postmap") is None:
        print("check_client_access cidr: Postfix is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "main.cf").touch()
        asked = "".join(f"240.{number >> 8 & 255}.{number & 255}.7\n" for number in range(LOOKUPS))
        for size in (1, 1_000, 10_000):
            table = Path(folder, "table")
            table.write_text("".join(f"241.{number >> 8 & 255}.{number & 255}.0/24 REJECT\n" for number in range(size)), "ascii")
            some = asked[: len(asked) // (1 if size == 1 else 20)]
            start = time.perf_counter()
            subprocess.run(["postmap", "-c", folder, "-q", "-", f"cidr:{table}"], input=some, text=True, check=False, capture_output=True)
            each = (time.perf_counter() - start) / some.count("\n") * 1e6
            print(f"check_client_access cidr: with {size:>6,} lines: {each:8.2f} us a look-up")


if __name__ == "__main__":
    main(Asked(inlet, questions, DUNNO), __doc__, before=lookups)
