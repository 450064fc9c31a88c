"""What ends a command, in words, beside bad input.

Job: the kind of failure that the command line knows. Promise: it costs no import. Limits: a name only; `main` makes one line and an exit code of it.
"""


class NoDaemonError(Exception):
    """No daemon answers; the text says where it was looked for, and the cure."""
