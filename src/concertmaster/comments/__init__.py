"""Writes the texts that Concertmaster puts on GitHub."""
