"""Reads a repository to predict what a task will touch."""
