"""The background refresh: its schedule, what it fetches, and its results."""
