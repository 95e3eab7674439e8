"""Only HTTP: server, connections, TLS and basic authentication."""
