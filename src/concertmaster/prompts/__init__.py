"""Prompt files: read, written, drafted."""
