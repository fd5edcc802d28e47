"""Builds the report of a run and writes it as text, as HTML and as progress lines."""
