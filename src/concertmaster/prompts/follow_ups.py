"""Further work that agents saw, as drafts of prompt files: people read and start them, we never."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from concertmaster.prompts.parser import as_slug
from concertmaster.prompts.writer import render_prompt
from concertmaster.text.display import display
from concertmaster.text.markdown import neutralise

MOST_DRAFTS = 50  # of a run
MOST_OF_TASK = 10
LONGEST_DRAFT = 2000  # characters that an agent may say; it is asked for a sentence
MOST_CARRIED, LONGEST_CARRIED = 5, 500  # of a task, from one job to the next

_LONGEST_TITLE = 80
_MARKUP = "#>*_-+~=`|:. "  # with which a line of Markdown may begin
_ORIGIN = """\
# Further work, from run {run}

An agent that worked on {tasks} saw this and left it alone. Nobody has judged it: read it before
you run it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpStatement:
    """What agents said, in inert Markdown, and the tasks that they worked on."""

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
    """What was stated by task, each once; the first of every task come before all second ones."""
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
    """So that a task that states much crowds nobody out."""
    columns = [[(task, text) for text in _read(texts)] for task, texts in stated.items()]
    for row in zip_longest(*columns):
        yield from filter(None, row)


def _read(texts: Iterable[str]) -> list[str]:
    inert = (neutralise(text, limit=LONGEST_DRAFT) for text in dict.fromkeys(texts))
    return [text for text in dict.fromkeys(inert) if text][:MOST_OF_TASK]


def write_drafts(statements: Iterable[FollowUpStatement], *, run: str) -> tuple[PromptDraft, ...]:
    """A prompt file of each, at most MOST_DRAFTS."""
    drafts: dict[str, PromptDraft] = {}
    for one in list(statements)[:MOST_DRAFTS]:
        title = display(one.text, limit=_LONGEST_TITLE).lstrip(_MARKUP) or "Follow-up"
        origin = _ORIGIN.format(run=run, tasks=", ".join(one.tasks))
        text = render_prompt(title=title, text=f"{origin}\n\n{one.text}")
        file = _name(title, one.text, taken=drafts)
        drafts[file] = PromptDraft(file=file, title=title, text=text, tasks=one.tasks)
    return tuple(drafts.values())


def _name(title: str, text: str, *, taken: Collection[str]) -> str:
    """The same in every report of a run."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    names = (f"{as_slug(title) or 'follow-up'}-{digest[:size]}.md" for size in (4, len(digest)))
    return next(name for name in names if name not in taken)


def carry_follow_ups(stated: Iterable[str]) -> tuple[str, ...]:
    """What goes from one job to the next of a task's follow-ups: few, in one short line each."""
    lines = (display(text, limit=LONGEST_CARRIED) for text in stated)
    return tuple(dict.fromkeys(filter(None, lines)))[:MOST_CARRIED]
