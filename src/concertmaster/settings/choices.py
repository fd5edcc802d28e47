"""The words that a setting may take, and the kinds of settings."""

from __future__ import annotations

from enum import Flag, StrEnum, auto


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


class UnmeasuredBudget(StrEnum):
    """What to do about a budget where an agent tells no cost."""

    REFUSE = "refuse"
    ALLOW = "allow"


class Kind(StrEnum):
    """What people write for a value; each place has one reader for each kind."""

    COMMAND = auto()  # a line for the shell
    NAME = auto()
    FOLDER = auto()
    MODEL = auto()
    BRANCH = auto()
    LIST = auto()  # words, with commas between them
    NUMBER = auto()
    SLOTS = auto()  # a number, or `auto` for None
    USD = auto()  # above 0
    DURATION = auto()  # above 0, in seconds; written as 90s, 45m or 1h30m
    CHOICE = auto()  # a member of the field's enum
    PHASES = auto()
    FLAG = auto()  # yes or no


class Place(Flag):
    """Where a setting may be set beside concertmaster.yml and its variable."""

    NONE = 0
    OPTION = auto()  # of the command line
    INPUT = auto()  # of the action, and of the workflow orchestrate.yml
    COMMENT = auto()  # an option of `/orchestrate`
