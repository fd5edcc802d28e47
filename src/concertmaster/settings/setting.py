"""Defines how a setting is declared, its kinds, and where it may be set."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, Flag, StrEnum, auto
from typing import Any


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
    FLAG_OR_BRANCH = auto()  # yes, no, or the name of a branch
    COMMANDS = auto()  # lines for the shell by name, only in concertmaster.yml


class Place(Flag):
    """Where a setting may be set beside concertmaster.yml and its variable."""

    NONE = 0
    OPTION = auto()  # of the command line
    INPUT = auto()  # of the action, and of the workflow orchestrate.yml
    COMMENT = auto()  # an option of `/orchestrate`


# A comment is not reviewed, so it may not say which programs run, or what an agent sees.
_NEVER_IN_COMMENTS = {Kind.COMMAND, Kind.COMMANDS, Kind.FOLDER, Kind.MODEL, Kind.LIST}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is declared of a setting beside the name, type and default of its field.

    `least` and `most` are the bounds of a number. `unset` tells readers what holds where there is
    no default. `SETTINGS` holds the settings with the values of their fields filled in.
    """

    kind: Kind
    help: str
    places: Place = Place.NONE
    name: str = ""  # "" = the name of the field
    unset: str = ""
    least: int | None = None
    most: int | None = None
    most_in_comment: int | None = None  # in the unit of the field
    example: str = ""  # a value, for the help of `/orchestrate`
    wants: str = ""  # what `/orchestrate` takes; "" = as for every setting of this kind
    offered: tuple[str, ...] = ()  # by the command line; () = every choice
    before: str = ""  # the setting that follows in lists; "" = in the order of declaration
    attribute: str = ""
    annotation: Any = None
    default: Any = None

    def __post_init__(self) -> None:
        if Place.COMMENT in self.places and self.kind in _NEVER_IN_COMMENTS:
            raise ValueError(f"a comment may not set a {self.kind}")
        if Place.COMMENT in self.places and not self.example:
            raise ValueError("the help of `/orchestrate` needs an example")

    @property
    def option(self) -> str:
        """The option of the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"CONCERTMASTER_{self.name.upper()}"

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of the field's enum, or those of a flag; () where it has none."""
        if self.kind is Kind.FLAG:
            return ("yes", "no")
        is_enum = isinstance(self.annotation, type) and issubclass(self.annotation, Enum)
        return tuple(member.value for member in self.annotation) if is_enum else ()

    @property
    def written_default(self) -> str:
        """The default as people write it; "" where there is none."""
        match self.kind:
            case Kind.SLOTS if self.default is None:
                return "auto"
            case Kind.DURATION:
                return f"{self.default / 60:g}m"
            case Kind.FLAG:
                return "yes" if self.default else "no"
            case _:
                return str(self.default) if self.default else ""
