"""The background refresh: when, what, and how it went."""
