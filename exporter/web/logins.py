"""How a login does: its state in a few words, and what is wrong, each thing once with the places that it concerns."""
