"""The state machine of a run. All of it is pure."""
