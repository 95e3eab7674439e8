"""Destinations of a backfill, which verify what they store."""
