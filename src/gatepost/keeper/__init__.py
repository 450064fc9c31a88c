"""What follows the order from outside: a child process that the daemon starts now and then. So far it makes snapshots (snapshots.py)."""
