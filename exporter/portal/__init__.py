"""The SmartHub portal: sign-in, accounts, the usage poll, and wall-clock times turned into instants."""
