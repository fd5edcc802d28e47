"""The finalize job."""
