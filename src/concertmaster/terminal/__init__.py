"""Everything that a user sees on the terminal."""
