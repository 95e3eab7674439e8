"""The status page: conditions, figures, charts, HTML."""
