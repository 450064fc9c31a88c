"""Rights given away do not come back."""

import subprocess
import sys

from gatepost.outlets.nftables.capabilities import effective

SCRIPT = """
import subprocess, sys
from gatepost.outlets.nftables.capabilities import Capability, drop_capabilities, effective
before = effective()
drop_capabilities(keep=(Capability.NET_BIND_SERVICE,))
assert effective() == before & 1 << 10, effective()
drop_capabilities()
assert effective() == 0
again = "from gatepost.outlets.nftables.capabilities import effective; print(effective())"
print(subprocess.run([sys.executable, "-c", again], capture_output=True, text=True, check=True).stdout.strip())
"""


def test_what_is_dropped_does_not_come_back_by_an_exec() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, env={"PYTHONPATH": "src"})
    assert (done.stdout.strip(), done.stderr) == ("0", "")


def test_our_own_are_as_the_kernel_shows_them() -> None:
    with open("/proc/self/status", encoding="ascii") as status:
        shown = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff"))
    assert effective() == shown
