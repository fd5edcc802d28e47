"""Merges, checks and lands the results of tasks, and judges which paths may change."""
