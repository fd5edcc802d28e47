"""The coding agents that Concertmaster can drive, one module for each command line."""
