"""Reads the `/orchestrate` command in the first line of a comment on an issue.

A comment cannot set the commands that run (`setup`, `check`): comments are not reviewed, files on
the target branch are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from concertmaster.settings.choices import LEAN_PHASES, Phase
from concertmaster.settings.declarations import SETTINGS, settings_of
from concertmaster.settings.setting import Kind, Place, Setting
from concertmaster.text.display import closest_word, count, is_visible
from concertmaster.text.durations import read_duration
from concertmaster.text.markdown import as_code, code_block

MAX_LINE = 4000  # characters
MOST_PULLS = 50  # that one comment lands
_LAND_OPTIONS = ("history", "target")

_COMMAND = re.compile(r" {0,3}/orchestrate(?![\w/-])(.*)", re.IGNORECASE | re.DOTALL)
_LINE_END = re.compile(r"\r\n?|\n")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}", re.ASCII)
_NUMBER = re.compile(r"0|[1-9][0-9]{0,5}", re.ASCII)
_AMOUNT = re.compile(r"\$?([0-9]{1,6}(?:\.[0-9]{1,4})?)", re.ASCII)
_TASK = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*|#[1-9][0-9]{0,9}", re.ASCII)
_PULL = re.compile(r"#[1-9][0-9]{0,8}", re.ASCII)
_BRANCH = re.compile(r"\w[\w./+#@,-]{0,199}")
_NO_BRANCH = re.compile(
    r"\.\.|//|/\.|/-|\.lock(?:/|$)|[/.]$|^(?:HEAD|refs/.*|concertmaster/.*|[0-9a-f]{40,})$"
)


class CommandVerb(StrEnum):
    """The verbs of the command; `/orchestrate` alone is `run`."""

    RUN = "run"
    PLAN = "plan"
    RETRY = "retry"
    LAND = "land"
    CANCEL = "cancel"
    STATUS = "status"
    HELP = "help"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlashCommand:
    """A valid command.

    `options` are validated pairs of a setting's name and its value. `tasks` are the tasks to
    retry, as ids or as `#12` for a child issue; () means all that failed. `pulls` are the numbers
    of the pull requests to land.
    """

    verb: CommandVerb
    options: tuple[tuple[str, str], ...] = ()
    tasks: tuple[str, ...] = ()
    pulls: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandReply:
    """The answer to a line that cannot be read.

    `written` is the line as the user wrote it; `why` and `fix` are safe Markdown.
    """

    line: int
    written: str
    why: str
    fix: str


class _Unreadable(Exception):
    """An error in a command; `why` and `fix` are safe Markdown."""

    def __init__(self, why: str, fix: str) -> None:
        super().__init__(why)
        self.why = why
        self.fix = fix


def read_comment(body: str) -> SlashCommand | CommandReply | None:
    """Return the command in a comment or the reply to a faulty one; None if there is no command.

    A command is the first line that is not blank, if it begins with `/orchestrate`. No quote, code
    fence or HTML comment can be open there.
    """
    lines = _LINE_END.split(body.removeprefix("\ufeff"))
    number = next((n for n, line in enumerate(lines) if line.strip()), 0)
    command = _COMMAND.match(lines[number])
    if not command:
        return None
    try:
        return _read_command(command[1])
    except _Unreadable as error:
        written = lines[number][:MAX_LINE]
        return CommandReply(line=number + 1, written=written, why=error.why, fix=error.fix)


def reply_comment(replies: Sequence[CommandReply]) -> str:
    """Return the Markdown that shows each faulty line with its fix."""
    shown = [
        f"Line {reply.line}:\n\n{code_block(reply.written, limit=300)}\n\n{reply.why} {reply.fix}"
        for reply in replies[:20]
    ]
    more = [f"And {count(len(replies) - 20, 'more line')} like these."] if replies[20:] else []
    return "\n\n".join(["Nothing was started: I cannot read this.", *shown, *more])


def help_comment() -> str:
    """Return the Markdown that lists the commands and options."""
    lines = "\n".join(f"{line:<38}# {meaning}" for line, meaning in _HELP)
    options = "\n".join(f"- `{_show_example(o)}`: {_say_wanted(o)}" for o in _OPTIONS.values())
    return (
        f"```text\n{lines}\n```\n\n"
        "The prompts are the `.md` files listed as bullets below the first line, or else in the "
        f"issue. Options stand in the first line:\n\n{options}"
    )


_HELP = (
    ("/orchestrate", "plan, run and land the listed prompts"),
    ("/orchestrate plan", "show the plan, start nothing"),
    ("/orchestrate retry", "try again all that failed"),
    ("/orchestrate retry add-login-3f2a #12", "try these tasks again"),
    ("/orchestrate land #12 #15", "check these pull requests together and land them"),
    ("/orchestrate cancel", "stop the run"),
    ("/orchestrate status", "tell how far the run is"),
    ("/orchestrate help", "this text"),
)


def _read_command(rest: str) -> SlashCommand:
    if len(rest) > MAX_LINE:
        raise _Unreadable("The line is too long.", "Put the prompts below it, one bullet each.")
    if not all(map(is_visible, rest.expandtabs(1))):
        raise _Unreadable("The line holds an invisible character.", "Type it again by hand.")
    words = [word for word in rest.split() if "=" not in word]
    verb = _read_verb(words[0]) if words else CommandVerb.RUN
    options = _read_options([word for word in rest.split() if "=" in word])
    if verb is CommandVerb.LAND:
        _refuse_options(options)
        return SlashCommand(verb=verb, options=options, pulls=_read_pulls(words[1:]))
    if options and verb not in (CommandVerb.RUN, CommandVerb.PLAN, CommandVerb.RETRY):
        raise _Unreadable(f"`{verb}` takes no options.", f"Write `/orchestrate {verb}`.")
    return SlashCommand(verb=verb, options=options, tasks=_read_tasks(verb, words[1:]))


def _refuse_options(options: Sequence[tuple[str, str]]) -> None:
    """Raise _Unreadable if there is an option that a run without agents does not have."""
    for name, _ in options:
        if name not in _LAND_OPTIONS:
            known = " and ".join(f"`{one}`" for one in _LAND_OPTIONS)
            raise _Unreadable(f"`land` takes no option {as_code(name)}.", f"It takes {known}.")


def _read_pulls(words: Sequence[str]) -> tuple[int, ...]:
    names = [name for word in words if (name := word.strip("`,"))]
    if not names:
        raise _Unreadable("It names no pull request.", "Write `/orchestrate land #12 #15`.")
    for name in names:
        if not _PULL.fullmatch(name):
            raise _Unreadable(
                f"{as_code(name)} is no number of a pull request.", "Write it as `#12`."
            )
    found = tuple(dict.fromkeys(int(name[1:]) for name in names))
    if len(found) > MOST_PULLS:
        raise _Unreadable(
            f"It names {len(found)} pull requests.", f"Name at most {MOST_PULLS} at once."
        )
    return found


def _read_verb(word: str) -> CommandVerb:
    if word.lower() in tuple(CommandVerb):
        return CommandVerb(word.lower())
    plain = word.strip("-:,.;!?`").lower()
    if plain in _OPTIONS:
        fix = f"Write an option as `{_show_example(_OPTIONS[plain])}`."
    elif plain.endswith(".md"):
        fix = f"List the prompts below the line, one bullet each: {as_code(f'- {word}')}."
    else:
        close = _OTHER_WORDS.get(plain) or closest_word(plain, tuple(CommandVerb))
        words = ", ".join(f"`{verb}`" for verb in CommandVerb)
        fix = f"Did you mean `/orchestrate {close}`?" if close else f"I know {words}."
    raise _Unreadable(f"I do not know {as_code(word)}.", fix)


_OTHER_WORDS = {
    "dry-run": "plan",
    "dryrun": "plan",
    "start": "run",
    "go": "run",
    "stop": "cancel",
    "abort": "cancel",
    "merge": "land",
    "resume": "retry",
    "rerun": "retry",
    "continue": "retry",
    "progress": "status",
}


def _read_tasks(verb: CommandVerb, words: Sequence[str]) -> tuple[str, ...]:
    if verb is not CommandVerb.RETRY and words:
        raise _Unreadable(
            f"`{verb}` takes no further words, and here is {as_code(words[0])}.",
            "Options are written as `parallel=4`, prompts as bullets below the line.",
        )
    tasks = tuple(dict.fromkeys(word.strip("`,") for word in words))
    if tasks == ("failed",):
        return ()
    for task in tasks:
        if task == "failed" or not _TASK.fullmatch(task):
            raise _Unreadable(
                f"{as_code(task)} is no task.",
                "Write `retry` alone for all that failed, or name tasks as the report does: "
                "`retry add-login-3f2a`, or `retry #12` for a child issue.",
            )
    return tasks


def _read_options(words: Sequence[str]) -> tuple[tuple[str, str], ...]:
    options: dict[str, str] = {}
    for word in words:
        key, _, value = word.partition("=")
        if key in options:
            raise _Unreadable(f"`{key}` is given twice.", "Keep one of them.")
        options[key] = _read_option(key, value)
    return tuple(options.items())


def _read_option(key: str, value: str) -> str:
    if key.replace("-", "_") in _COMMANDS:
        raise _Unreadable(
            f"`{key}` cannot be set in a comment: it names a program to run.",
            f"Set `{key}` in `concertmaster.yml` on the target branch.",
        )
    option = _OPTIONS.get(key)
    if not option:
        close = closest_word(key.strip("-"), _OPTIONS)
        known = ", ".join(f"`{name}`" for name in _OPTIONS)
        fix = f"Did you mean {as_code(f'{close}={value}')}?" if close else f"Options are {known}."
        shown = as_code(key) if key else "An option without a name"
        raise _Unreadable(f"{shown} is no option.", fix)
    read = _read_value(option, value)
    if not read:
        shown = as_code(value) if value else "nothing"
        close = closest_word(value, _choices_of(option))
        guess = f" Did you mean `{key}={close}`?" if close else ""
        fix = f"It takes {_say_wanted(option)}, as in `{_show_example(option)}`.{guess}"
        raise _Unreadable(f"`{key}` cannot be {shown}.", fix)
    return read


def _read_value(option: Setting, value: str) -> str:
    """Return the value in the words of the settings, or "" for a faulty one."""
    match option.kind:
        case Kind.NAME:
            return value if _NAME.fullmatch(value) else ""
        case Kind.BRANCH | Kind.FLAG_OR_BRANCH:
            return read_branch(value)
        case Kind.CHOICE | Kind.FLAG:
            return value if value in option.choices else ""
        case Kind.PHASES:
            return _read_phases(value)
        case Kind.SLOTS if value == "auto":
            return value
        case Kind.NUMBER | Kind.SLOTS:
            return value if _NUMBER.fullmatch(value) and _fits(option, int(value)) else ""
        case Kind.USD:
            amount = _AMOUNT.fullmatch(value)
            return amount[1] if amount and _fits(option, float(amount[1])) else ""
        case Kind.DURATION:
            seconds = read_duration(value)
            return f"{seconds:.0f}s" if seconds >= 1 and _fits(option, seconds) else ""
        case Kind.COMMAND | Kind.COMMANDS | Kind.FOLDER | Kind.MODEL | Kind.LIST:
            return ""  # no comment sets one


def _fits(option: Setting, number: float) -> bool:
    """Return whether the number is within the declared bounds; an amount is above 0."""
    bounds = (option.most, option.most_in_comment)
    is_above = number > 0 if option.kind is Kind.USD else number >= (option.least or 0)
    return is_above and all(most is None or number <= most for most in bounds)


def _read_phases(value: str) -> str:
    if value in ("full", "lean"):
        return value
    names = value.split(",")
    wanted = [phase for phase in Phase if phase in names or phase in LEAN_PHASES]
    return ",".join(wanted) if set(names) <= {*Phase} else ""


def read_branch(value: str) -> str:
    """Return the value, or "" if it is no plain name of a branch that results may land on."""
    return value if _BRANCH.fullmatch(value) and not _NO_BRANCH.search(value) else ""


def _choices_of(option: Setting) -> tuple[str, ...]:
    return ("full", "lean", *Phase) if option.kind is Kind.PHASES else option.choices


def _show_example(option: Setting) -> str:
    return f"{option.name}={option.example}"


def _say_wanted(option: Setting) -> str:
    """Return what the option takes, in words."""
    if option.wants:
        return option.wants
    match option.kind:
        case Kind.SLOTS:
            return f"a number from {option.least} to {option.most}, or auto"
        case Kind.NUMBER:
            return f"a number from {option.least} to {option.most}"
        case Kind.USD:
            most = option.most_in_comment
            return "an amount in USD above 0" + (f" and up to {most}" if most else "")
        case Kind.CHOICE | Kind.FLAG:
            return f"one of {', '.join(option.choices)}"
        case Kind.PHASES:
            return f"full, lean, or some of {', '.join(Phase)}, joined by commas"
        case Kind.BRANCH:
            return "the name of a branch"
        case Kind.DURATION:
            return "a time"
        case _:
            return "a name"


_OPTIONS = settings_of(Place.COMMENT)
_COMMANDS = {
    name for name, setting in SETTINGS.items() if setting.kind in (Kind.COMMAND, Kind.COMMANDS)
}
