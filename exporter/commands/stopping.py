"""Ending cleanly: Ctrl-C and SIGTERM are something to wait for instead of breaking off."""
