"""The metrics page: samples of intervals with their own timestamps, and how the exporter itself does."""
