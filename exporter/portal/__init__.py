"""The SmartHub portal: sign-in, accounts, usage, and wall-clock times as instants."""
