"""The metrics page: interval samples, and metrics about the exporter itself."""
