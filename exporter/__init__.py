"""Usage and cost from NISC SmartHub portals, interval by interval, for Prometheus and VictoriaMetrics."""

__version__ = "0.1.0"
