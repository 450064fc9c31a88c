"""``python -m gatepost.keeper DATABASE`` makes a snapshot, with low priority, says a line, and ends with 0, or with 1 where it could not.

``follow DATABASE FOLDER SETTINGS`` follows the journal and writes history, until its standard input, a socket, ends.
"""

import os
import sys

from gatepost.keeper.snapshots import main

os.nice(10)
if sys.argv[1:2] == ["follow"] and len(sys.argv) == 5:
    from gatepost.keeper import follow

    sys.exit(follow.main(sys.argv[2:]))
line, code = main(sys.argv[1:])
print(line, file=sys.stderr if code else sys.stdout)
sys.exit(code)
