"""Prepares pull requests as GitHub shows them, and as PullRequests returns them."""

from __future__ import annotations

from typing import Any

from concertmaster.github.models import Pull
from tests.unit.github.answers import API

PULLS = f"{API}/repos/ada/opera/pulls"
HERE, FORK = {"id": 1, "full_name": "ada/opera"}, {"id": 2, "full_name": "eve/opera"}
HEAD, OTHER, TIP = "a" * 40, "b" * 40, "c" * 40
BRANCH = "concertmaster/run/fruit"


def pull_json(number: int = 7, **more: Any) -> dict[str, Any]:
    return {
        "number": number,
        "node_id": f"PR_{number}",
        "title": "Fruit",
        "body": "Text",
        "user": {"login": "bot"},
        "state": "open",
        "head": {"ref": BRANCH, "sha": HEAD, "repo": HERE},
        "base": {"ref": "main", "sha": TIP, "repo": HERE},
        "merged_at": None,
        "merge_commit_sha": "d" * 40,
        "auto_merge": None,
        "created_at": "2026-01-02T00:00:00Z",
        **more,
    }


def make_pull(number: int = 7, **more: Any) -> Pull:
    wanted: dict[str, Any] = {
        "number": number,
        "node_id": f"PR_{number}",
        "title": "Fruit",
        "body": "Text",
        "author": "bot",
        "head": BRANCH,
        "head_commit": HEAD,
        "is_open": True,
        "is_merged": False,
        "has_auto_merge": False,
        "merge_commit": "",
        "created_at": "2026-01-02T00:00:00Z",
        "base": "main",
        "source": HERE["full_name"],
        "source_branch": BRANCH,
    }
    return Pull(**{**wanted, **more})
