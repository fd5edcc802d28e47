"""The jobs of the GitHub Action."""
