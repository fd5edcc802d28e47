"""Runs git on the user's repository, the run's own repository and the server's branches."""
