"""Git: the user's repository, the run's own repository, the server's branches."""
