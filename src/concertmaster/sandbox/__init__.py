"""Runs the commands of agents and checks: supervision, users, permissions, resources."""
