"""What follows the order from outside: a child process keeps the history, answers why and works out previews; another makes snapshots."""
