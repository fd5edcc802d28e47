"""Decides what a run does next; the whole package is pure."""
