"""Programs for the project itself; nothing here is installed."""
