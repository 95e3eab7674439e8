"""What a login can see; shared by `discover` and `check`."""
