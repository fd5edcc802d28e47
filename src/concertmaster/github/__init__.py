"""Calls GitHub's API and reads the events, comments and issues that come from it."""
