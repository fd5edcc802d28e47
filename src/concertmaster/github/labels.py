"""Declares the labels that Concertmaster sets on GitHub."""

from __future__ import annotations

LABEL = "concertmaster"  # proves an issue is ours: only people with triage permission can set it

QUEUED = f"{LABEL}:queued"
RUNNING = f"{LABEL}:running"
LANDED = f"{LABEL}:landed"
FAILED = f"{LABEL}:failed"

LABELS = {
    LABEL: ("1d76db", "Made by Concertmaster"),
    QUEUED: ("c2e0c6", "Waits for its turn"),
    RUNNING: ("fbca04", "An agent works on it"),
    LANDED: ("0e8a16", "On the target branch"),
    FAILED: ("b60205", "Did not land"),
}
