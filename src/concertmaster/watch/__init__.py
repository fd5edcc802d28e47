"""Follows a run on GitHub from a terminal."""
