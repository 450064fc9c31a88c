"""What follows the order from outside: a child process that keeps the history, answers why, and works out previews; another, now and then, makes snapshots."""
