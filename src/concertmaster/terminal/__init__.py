"""Prints results, errors and live progress on the terminal."""
