"""How long tests wait.

The limits catch hangs, not slowness: the machine may be busy.
"""

DEADLINE = 60.0
"""Seconds for anything that should happen."""

AT_ONCE = 4.0
"""Seconds for actions that must not wait.

Anything they could wait for by mistake takes longer.
"""
