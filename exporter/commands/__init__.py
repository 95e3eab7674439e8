"""The commands: each module says what its flags are and runs it, giving the exit code."""
