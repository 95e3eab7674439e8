"""A simulated SmartHub portal: an HTTP server with households whose true energy is known."""
