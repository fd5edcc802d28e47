"""Runs the jobs of the GitHub Action and what they share."""
