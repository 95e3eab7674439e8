"""The status page: what to say, figures, charts, HTML."""
