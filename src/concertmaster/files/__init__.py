"""Reads and writes files: untrusted ones, atomic ones, those of a run's folder."""
