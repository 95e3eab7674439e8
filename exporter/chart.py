"""Bars made of characters."""
