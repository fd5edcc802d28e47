"""Runs the commands of agents and checks, each in its own process tree and with its own user."""
