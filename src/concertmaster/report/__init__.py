"""The report of a run: its values, its text, its page."""
