"""The SmartHub portal: sign-in, discovery, the usage poll, and its wall-clock times made real instants."""
