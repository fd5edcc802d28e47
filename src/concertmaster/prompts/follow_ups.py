"""Drafts prompt files for further work that agents saw; only people start them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from concertmaster.prompts.parser import as_slug
from concertmaster.prompts.writer import render_prompt
from concertmaster.text.display import display
from concertmaster.text.markdown import neutralise

MOST_DRAFTS = 50  # for each run
MOST_OF_TASK = 10
LONGEST_DRAFT = 2000  # characters; the agent is asked for one sentence
MOST_CARRIED, LONGEST_CARRIED = 5, 500  # for each task; characters

_LONGEST_TITLE = 80
_MARKUP = "#>*_-+~=`|:. "  # characters that give the start of a line a meaning
_ORIGIN = """\
# Further work, from run {run}

An agent that worked on {tasks} saw this and left it alone. Nobody has judged it: read it before
you run it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpStatement:
    """A follow-up in inert Markdown, and the tasks whose agents stated it."""

    text: str
    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptDraft:
    """A prompt file that may be started as it is; `file` is its name, unique in the run."""

    file: str
    title: str
    text: str
    tasks: tuple[str, ...]


def merge_follow_ups(stated: Mapping[str, Iterable[str]]) -> tuple[FollowUpStatement, ...]:
    """Return the follow-ups of all tasks, each once.

    `stated` has the texts of each task. The first of every task come before all second ones.
    """
    texts: dict[str, str] = {}
    tasks: dict[str, dict[str, None]] = {}
    for task, text in _take_turns(stated):
        key = " ".join(text.split()).casefold()
        texts.setdefault(key, text)
        tasks.setdefault(key, {})[task] = None
    return tuple(
        FollowUpStatement(text=text, tasks=tuple(tasks[key])) for key, text in texts.items()
    )


def _take_turns(stated: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, str]]:
    """Yield a follow-up of each task in turn, so that no task crowds out the others."""
    columns = [[(task, text) for text in _read(texts)] for task, texts in stated.items()]
    for row in zip_longest(*columns):
        yield from filter(None, row)


def _read(texts: Iterable[str]) -> list[str]:
    """Return the first MOST_OF_TASK different texts in inert Markdown."""
    inert = (neutralise(text, limit=LONGEST_DRAFT) for text in dict.fromkeys(texts))
    return [text for text in dict.fromkeys(inert) if text][:MOST_OF_TASK]


def write_drafts(statements: Iterable[FollowUpStatement], *, run: str) -> tuple[PromptDraft, ...]:
    """Return a draft for each follow-up, at most MOST_DRAFTS."""
    drafts: dict[str, PromptDraft] = {}
    for one in list(statements)[:MOST_DRAFTS]:
        title = display(one.text, limit=_LONGEST_TITLE).lstrip(_MARKUP) or "Follow-up"
        origin = _ORIGIN.format(run=run, tasks=", ".join(one.tasks))
        text = render_prompt(title=title, text=f"{origin}\n\n{one.text}")
        file = _name(title, one.text, taken=drafts)
        drafts[file] = PromptDraft(file=file, title=title, text=text, tasks=one.tasks)
    return tuple(drafts.values())


def _name(title: str, text: str, *, taken: Collection[str]) -> str:
    """Return a file name that is free and the same in every report of the run."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    names = (f"{as_slug(title) or 'follow-up'}-{digest[:size]}.md" for size in (4, len(digest)))
    return next(name for name in names if name not in taken)


def carry_follow_ups(stated: Iterable[str]) -> tuple[str, ...]:
    """Return the follow-ups of a task that are handed to the next job.

    They are at most MOST_CARRIED, each in one line of at most LONGEST_CARRIED characters.
    """
    lines = (display(text, limit=LONGEST_CARRIED) for text in stated)
    return tuple(dict.fromkeys(filter(None, lines)))[:MOST_CARRIED]
