"""Meter data without I/O: versioned intervals, merging, full days, the snapshot."""
