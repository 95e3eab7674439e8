"""The HTTP side: the server, who may use it, and the pages."""
