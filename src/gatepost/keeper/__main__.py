"""``python -m gatepost.keeper DATABASE`` makes a snapshot, with low priority, says a line, and ends with 0, or with 1 where it could not."""

import os
import sys

from gatepost.keeper.snapshots import main

os.nice(10)
line, code = main(sys.argv[1:])
print(line, file=sys.stderr if code else sys.stdout)
sys.exit(code)
