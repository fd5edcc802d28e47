"""Writes and reads text: display, Markdown, globs, hidden marks and redaction."""
