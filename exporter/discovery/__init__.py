"""What a login sees: shared by `discover` and `check`."""
