"""Makes, reads and removes the git worktree of each attempt."""
