"""How long tests wait. Limits tell ends from hangs, never fast from slow: the machine may be busy."""

DEADLINE = 60.0
"""Seconds for whatever comes by itself."""

AT_ONCE = 4.0
"""Seconds for what waits for nothing: whatever could be waited for by mistake takes longer."""
