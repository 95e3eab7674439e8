"""HTTP alone: the server, its connections, TLS and basic authentication. What it answers stands in `routes`."""
