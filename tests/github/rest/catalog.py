"""Imports all modules of handlers, which registers their routes."""

from __future__ import annotations

from tests.github.rest import (
    actions,
    checks,
    comments,
    contents,
    git_data,
    issues,
    labels,
    merges,
    pulls,
    relations,
    repositories,
)

MODULES = (
    actions,
    checks,
    comments,
    contents,
    git_data,
    issues,
    labels,
    merges,
    pulls,
    relations,
    repositories,
)
