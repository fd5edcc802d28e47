"""The finalize job lands what passed, reports the round and begins the next one."""
