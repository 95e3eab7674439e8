"""The current snapshot in memory and the state file on disk."""
