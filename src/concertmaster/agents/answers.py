"""Parses the answers of agents: plans, review verdicts, reasons and follow-ups.

Only JSON of the required form counts as an answer; prose such as "LGTM" does not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from concertmaster.text.display import display, writable

MOST_COMMENTS = 50
LONGEST_COMMENT = 2000
MOST_FOLLOW_UPS = 10
_FENCE = re.compile(r"```[ \t]*+(?:\n|\Z)")
_OPENING = re.compile(r"```(?:json)?[ \t]*+\n")


class ReviewDecision(StrEnum):
    """The decision of a reviewer."""

    APPROVE = "approve"
    REQUEST_CHANGES = "request_changes"


class UnreadableAnswer(ValueError):
    """An answer that is not of the required form; the message says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewComment:
    """A comment of a reviewer; `line` is 0 if it concerns the whole file."""

    file: str
    line: int
    comment: str
    severity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """The verdict of a reviewer on one tree."""

    decision: ReviewDecision
    comments: tuple[ReviewComment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkPlan:
    """The steps that an agent intends to take and the paths that it will change."""

    steps: tuple[str, ...]
    paths: tuple[str, ...]


REVIEW_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["task", "tree", "verdict", "comments"],
    "properties": {
        "task": {"type": "string"},
        "tree": {"type": "string"},
        "verdict": {"type": "string", "enum": [decision.value for decision in ReviewDecision]},
        "comments": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["file", "line", "comment", "severity"],
                "properties": {
                    "file": {"type": "string"},
                    "line": {"type": "integer"},
                    "comment": {"type": "string"},
                    "severity": {"type": "string", "enum": ["blocker", "major", "minor"]},
                },
            },
        },
    },
}


def find_json_objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of an answer: the whole text, then its fenced blocks, last first."""
    for block in (text.strip(), *reversed([*_fenced_blocks(text)])):
        try:
            found = json.loads(block)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def _fenced_blocks(text: str) -> Iterator[str]:
    """Yield what stands in closed code blocks that are JSON or of no language."""
    block: list[str] | None = None
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        if block is None:
            block = [] if _OPENING.fullmatch(line) else None
        elif _FENCE.fullmatch(line):
            yield "".join(block)
            block = None
        else:
            block.append(line)


def read_review(text: str, *, task: str, tree: str) -> Review:
    """Return the verdict in an answer.

    Raises UnreadableAnswer if it has none, or names another task or tree.
    """
    found = next((one for one in find_json_objects(text) if "verdict" in one), None)
    if found is None:
        raise UnreadableAnswer("it holds no JSON object with a verdict")
    if found.get("task") != task:
        raise UnreadableAnswer(f"it is a verdict on {display(str(found.get('task')), limit=80)}")
    if found.get("tree") != tree:
        raise UnreadableAnswer("it names another tree than the one under review")
    if found["verdict"] not in [decision.value for decision in ReviewDecision]:
        raise UnreadableAnswer(f"its verdict is {display(str(found['verdict']), limit=80)}")
    comments = found.get("comments")
    if not isinstance(comments, list):
        raise UnreadableAnswer("its comments are no list")
    read = tuple(_read_comment(one) for one in comments[:MOST_COMMENTS])
    decision = ReviewDecision(found["verdict"])
    if decision is ReviewDecision.REQUEST_CHANGES and not read:
        raise UnreadableAnswer("it requests changes without saying which")
    if decision is ReviewDecision.APPROVE and any(
        one.severity.lower() == "blocker" for one in read
    ):
        raise UnreadableAnswer("it approves, and names a blocker")
    return Review(decision=decision, comments=read)


def _read_comment(found: Any) -> ReviewComment:
    fields = found if isinstance(found, dict) else {}
    file, comment = fields.get("file"), fields.get("comment")
    if not (isinstance(file, str) and isinstance(comment, str) and comment.strip()):
        raise UnreadableAnswer("a comment lacks its file or its text")
    line = fields.get("line")
    return ReviewComment(
        file=display(file, limit=200),
        line=line if type(line) is int and line > 0 else 0,
        comment=writable(comment[:LONGEST_COMMENT]),
        severity=display(str(fields.get("severity") or "major"), limit=20),
    )


def describe_review(review: Review) -> str:
    """Return the comments as a Markdown list for the agent that has to address them."""
    return "\n".join(
        f"- {one.file}{f':{one.line}' if one.line else ''} ({one.severity}): {one.comment}"
        for one in review.comments
    )


def read_plan(text: str) -> WorkPlan:
    """Return the plan in an answer. Raises UnreadableAnswer without steps or without paths."""
    found = next((one for one in find_json_objects(text) if "steps" in one), None)
    if found is None:
        raise UnreadableAnswer("it holds no JSON object with steps")
    steps, paths = _texts(found.get("steps")), _texts(found.get("paths"))
    if not steps or not paths:
        raise UnreadableAnswer("its steps or its paths are no list of texts")
    return WorkPlan(steps=steps, paths=paths)


def describe_plan(plan: WorkPlan) -> str:
    """Return the plan as a Markdown list for the agent that follows it."""
    return "\n".join([*(f"- {step}" for step in plan.steps), f"Paths: {', '.join(plan.paths)}"])


def read_reason(text: str, key: str) -> str:
    """Return the reason under this key of an answer, "" if there is none."""
    reasons = (one[key] for one in find_json_objects(text) if isinstance(one.get(key), str))
    return display(next(reasons, ""), limit=500)


def read_follow_ups(text: str) -> tuple[str, ...]:
    """Return the follow-ups that an answer proposes, at most MOST_FOLLOW_UPS."""
    lists = (one["follow_ups"] for one in find_json_objects(text) if "follow_ups" in one)
    return _texts(next(lists, None))[:MOST_FOLLOW_UPS]


def last_words(text: str, *, limit: int = 200) -> str:
    """Return the end of an answer in one line of at most `limit` characters."""
    words = display(text[-8 * limit :], limit=8 * limit)
    return words if len(words) <= limit else f"…{words[1 - limit :]}"


def _texts(value: Any) -> tuple[str, ...]:
    items: Sequence[Any] = value if isinstance(value, list) else []
    texts = (one for one in items if isinstance(one, str) and one.strip())
    return tuple(writable(one[:LONGEST_COMMENT]) for one in texts)
