"""Measurements, never assertions: `make benchmarks`."""
