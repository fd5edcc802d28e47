"""Receipts for a very small stationer's."""

__version__ = "0.3.0"
