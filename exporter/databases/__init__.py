"""Clients of the databases, which also read back what was written."""
