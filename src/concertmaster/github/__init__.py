"""GitHub's API, and the text of events, comments and issues that comes from it."""
