"""The dialog of `discover`: which co-op it is, and what is left to do."""
