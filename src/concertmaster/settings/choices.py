"""Holds the words that some settings take."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """One step of WorkflowMaster in an attempt, in the order they run."""

    PREPARE = "prepare"
    RESEARCH = "research"
    IMPLEMENT = "implement"
    TEST = "test"
    DOCUMENT = "document"
    REVIEW = "review"
    DELIVER = "deliver"


LEAN_PHASES = (Phase.PREPARE, Phase.IMPLEMENT, Phase.TEST, Phase.DELIVER)


class Manifests(StrEnum):
    """Whether changed dependencies land without a person."""

    HOLD = "hold"
    ALLOW = "allow"


class LandingMode(StrEnum):
    """How results reach the target."""

    MERGE = "merge"
    PULL_REQUESTS = "pull-requests"
    SINGLE_PULL_REQUEST = "single-pull-request"
    BRANCHES = "branches"
    NONE = "none"


class HistoryShape(StrEnum):
    """The commits that landing makes on the target; a plan holds one of the last three."""

    AUTO = "auto"  # linear where the target is, else merge
    LINEAR = "linear"  # one for each task
    SQUASH = "squash"  # one for each batch
    MERGE = "merge"  # one for each task, and its merge


class Radar(StrEnum):
    """What follows when a running task changes a file that another one has changed."""

    OBSERVE = "observe"  # it is reported
    HOLD = "hold"  # the later one goes on behind the earlier one


class UnmeasuredBudget(StrEnum):
    """What to do about a budget where an agent tells no cost."""

    REFUSE = "refuse"
    ALLOW = "allow"


class Filters(StrEnum):
    """What to do about files that agents would see decrypted."""

    REFUSE = "refuse"
    ALLOW = "allow"


YES, NO = "yes", "no"
_IN_NAMES = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-")
_RESERVED = "concertmaster/"  # runs have their branches there


def branch_of(value: str) -> str:
    """Return the branch that yes, no, "" or the name of a branch names; "" if it names none."""
    return "" if value in ("", YES, NO) else value


def is_plain_branch(name: str) -> bool:
    """Return whether the name is a branch in plain letters, and none that runs use."""
    parts = name.split("/")
    is_safe = all(part and not part.startswith(("-", ".")) for part in parts)
    is_safe = is_safe and not any(part.endswith((".", ".lock")) for part in parts)
    return is_safe and set(name) <= _IN_NAMES and ".." not in name and not _is_ours(name)


def _is_ours(name: str) -> bool:
    return name.startswith(_RESERVED) or name == "HEAD"
