"""The steps of `check`; each says ok or what to do."""
