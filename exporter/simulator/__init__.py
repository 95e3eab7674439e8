"""A SmartHub portal that is not there: an HTTP server with households whose true energy is known."""
