"""Reads, writes and drafts prompt files."""
