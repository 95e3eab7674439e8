"""The commands: each module defines its flags and runs the command."""
