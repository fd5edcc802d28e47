"""Files on disk: untrusted ones, atomic writes, the folder of a run."""
