"""Text as people and programs read it: display, Markdown, globs, hidden marks, redaction."""
