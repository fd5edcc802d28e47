"""Drives the command lines of coding agents, with one module for each of them."""
