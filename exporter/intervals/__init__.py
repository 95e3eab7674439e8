"""Meter data without I/O: versioned intervals, how they merge, whole local days, the snapshot."""
