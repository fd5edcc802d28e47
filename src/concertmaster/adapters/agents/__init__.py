"""The agents that Concertmaster can drive: one small module for each command line."""
