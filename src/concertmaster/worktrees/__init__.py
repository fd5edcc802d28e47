"""The git worktree of each attempt."""
