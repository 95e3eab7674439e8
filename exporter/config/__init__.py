"""Configuration: what the user wrote, checked as a whole, as immutable values."""
