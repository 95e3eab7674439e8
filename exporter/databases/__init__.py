"""Clients of the databases: what they hold is read back, for a 204 proves nothing (tsdb-facts D1)."""
