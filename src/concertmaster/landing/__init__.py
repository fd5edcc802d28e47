"""The merge queue: what is merged, checked and landed, and which paths may change."""
