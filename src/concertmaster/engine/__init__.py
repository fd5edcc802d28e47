"""Performs the commands of the state machine on this machine."""
