"""The guard of ``gatepost demo``: the daemon of `gatepost run`, in a process of its own that ends with the demo.

Job: run the daemon on the demo's configuration. Promise: it gives every capability away first, so that it touches no kernel even for root, and ends
when its standard input does: nothing is left behind if the demo is killed. Limits: the first start offers nothing.
"""

import os
import signal
import sys
import threading

from gatepost.app.daemon import Daemon
from gatepost.app.first import FirstStart
from gatepost.app.loop import run_loop
from gatepost.core.faults import BadInputError
from gatepost.outlets.nftables.capabilities import drop_capabilities


def main() -> None:
    """Guards until standard input ends."""
    drop_capabilities()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        run_loop(Daemon(sys.argv[1], FirstStart(show=lambda logs, made: None, accept=lambda text: False)).run())
    except BadInputError as wrong:
        sys.exit(f"gatepost: {wrong}")


def _end_with_parent() -> None:
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
