"""Concertmaster runs many coding agents on one repository at once and lands what they make."""

__version__ = "0.1.0"
