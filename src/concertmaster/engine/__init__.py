"""The imperative shell: performs what the core decides."""
