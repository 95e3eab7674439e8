"""What is kept: the current snapshot in memory and the state file on disk."""
