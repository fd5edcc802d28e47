"""Predicts what a task will touch in a repository."""
