"""Measurements beside limits of the same run: `make benchmarks`, docs/performance.md."""
