"""Measurements without assertions: `make benchmarks`."""
