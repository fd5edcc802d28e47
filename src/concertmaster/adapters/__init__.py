"""One module for each thing outside; each outside library has exactly one owner."""
