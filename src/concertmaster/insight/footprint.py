"""Predicts the paths that a prompt will touch, from its `touches` and from paths in its text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from concertmaster.errors import UsageError
from concertmaster.insight.mentions import (
    MAX_CHARACTERS,
    Mention,
    MentionPlace,
    MentionVerb,
    find_mentions,
    verb_before,
)
from concertmaster.insight.names import find_common, resolve_common
from concertmaster.insight.path_spelling import WordKind, has_known_name
from concertmaster.insight.tree_paths import TreePaths
from concertmaster.model import FootprintEntry, Prompt
from concertmaster.text import globs

TOUCHES = 1.0  # of the author's own entries
TOUCHES_EDITS = 3.0  # files edited below a declared directory or glob, on average
NAMED = 0.86  # 282 of 326 paths named in 199 real task prompts were edited
NAMED_EDITS = 2.0  # below one in prose, which is vaguer
MOST_OF_MANY = 0.95  # a file of a directory or glob is less sure than a declared file
CREATED = 0.8  # the text asks for a file that does not exist
MISNAMED = 0.5  # the text asks to change a file that does not exist
QUOTED_CODE = 0.5  # code is often an example, and tracebacks also name files without a fault
OTHER_ROOT = 0.8  # its first segments were dropped to find it in this tree
READ_ONLY = 0.4  # after "see", "like" or "run" most files are not edited
SPARED = 0.1  # after "do not modify", which models mostly obey
SIBLING = 0.2  # another prompt, which is named for order and not to be edited
LEAST = 0.02  # below this, an entry is of no use to the planner

MAX_NOTES = 20
MAX_ENTRIES = 500
MAX_COMMON = 50  # words such as "changelog" in a text
SPOKEN_OF = {"changelog", "change log", "release notes", "changes", "readme", "lock file"}
MAX_GLOBS = 10  # in prose; a limit because each is matched against the whole tree

_TRUST: dict[MentionPlace | MentionVerb, float] = {
    MentionPlace.FENCE: QUOTED_CODE,
    MentionPlace.TRACE: QUOTED_CODE,
    MentionVerb.READ: READ_ONLY,
    MentionVerb.SPARE: SPARED,
}
_Lines = tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guess:
    """A reason to expect a path; `lines` is None if they are unknown."""

    path: str
    probability: float
    reason: str
    lines: _Lines = None


_Finding = tuple[list[_Guess], str]  # the guesses of one entry or mention, and a note or ""


def predict(
    prompt: Prompt, *, tree: TreePaths
) -> tuple[tuple[FootprintEntry, ...], tuple[str, ...]]:
    """Return the paths that the prompt will touch, likeliest first, and notes.

    The notes name what gave no prediction. A path that is not in `tree` will be created; one that
    ends in `/` is a directory of which no file is known yet. Raises UsageError for a glob in
    `touches` that cannot be used.
    """
    findings = [*_declared(prompt, tree), *_named(prompt, tree), *_common(prompt, tree)]
    notes = list(dict.fromkeys(note for _, note in findings if note))
    if len(prompt.text) > MAX_CHARACTERS:
        notes.append(f"only the first {MAX_CHARACTERS} characters were searched for paths")
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = [f"and {len(notes) - MAX_NOTES} more such notes"]
    return _combined(guess for guesses, _ in findings for guess in guesses), tuple(notes)


def name_paths(text: str, tree: TreePaths) -> dict[str, float]:
    """Return the probability of each path that a text names."""
    entries, _ = predict(Prompt(path="", title="", text=text), tree=tree)
    return {entry.path: entry.probability for entry in entries}


def _declared(prompt: Prompt, tree: TreePaths) -> Iterator[_Finding]:
    """Yield a finding for each entry of `touches`."""
    excluded = [touch for touch in prompt.touches if touch.startswith("!")]
    for touch in prompt.touches:
        path = touch.strip("/")
        if touch in excluded:
            continue
        if not globs.is_literal(touch):
            paths = globs.expand((touch, *excluded), tree.paths)
            yield _spread(paths, touch, edits=TOUCHES_EDITS, reason=f"matches touches: {touch}")
        elif path not in tree and tree.has_directory(path):
            paths = tree.under(path)
            yield _spread(paths, touch, edits=TOUCHES_EDITS, reason=f"lies in touches: {touch}")
        else:
            path += "/" * touch.endswith("/")
            yield [_Guess(path=path, probability=TOUCHES, reason="listed in touches")], ""


def _spread(paths: Sequence[str], name: str, *, edits: float, reason: str) -> _Finding:
    """Divide the edits expected below a directory or glob among its files."""
    probability = min(MOST_OF_MANY, edits / max(len(paths), 1))
    if not paths:
        return [], f"{name} matches no file"
    if probability < LEAST:
        return [], f"{name} stands for {len(paths)} files, which tells too little to plan by"
    return [_Guess(path=path, probability=probability, reason=reason) for path in paths], ""


def _named(prompt: Prompt, tree: TreePaths) -> Iterator[_Finding]:
    """Yield a finding for each path that the text names."""
    others = (prompt.path, *prompt.needs)
    groups: dict[tuple[str, WordKind, bool], list[Mention]] = {}
    for mention in find_mentions(prompt.text):
        groups.setdefault((mention.path, mention.kind, mention.foreign), []).append(mention)
    globs = 0
    for (path, kind, _), mentions in groups.items():
        globs += kind is WordKind.GLOB
        if globs > MAX_GLOBS or any(f"/{other}".endswith(f"/{path}") for other in others):
            continue
        found = _find(mentions[0], tree)
        for mention in mentions:
            yield _judge(mention, found, prompt) if found else _create(mention, tree)


def _common(prompt: Prompt, tree: TreePaths) -> Iterator[_Finding]:
    """Yield a finding for each file that the text names by a word such as "changelog"."""
    text = prompt.text[:MAX_CHARACTERS]
    for word, at in islice(find_common(text), MAX_COMMON):
        paths = resolve_common(word, tree.by_name) if word in SPOKEN_OF else ()
        trust = _TRUST.get(verb_before(text, at), 1.0)
        for path in paths:
            probability = NAMED * trust / len(paths)
            yield [_Guess(path=path, probability=probability, reason=f"named as the {word}")], ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The files that a mention may mean: one of `files`, or some of `below`."""

    files: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    trust: float = 1.0


def _find(mention: Mention, tree: TreePaths) -> _Found | None:
    """Return the files that the mention may mean, None if the tree has none."""
    if mention.kind is WordKind.GLOB:
        return _find_glob(mention.path, tree)
    segments = mention.path.split("/")
    for dropped in range(len(segments) if mention.foreign else 1):
        path = "/".join(segments[dropped:])
        trust = OTHER_ROOT if dropped else 1.0
        # A bare name that is left of a foreign path only means a file at the root.
        alone = dropped and dropped == len(segments) - 1
        if files := ((path,) if path in tree else ()) if alone else tree.ending_with(path):
            return _Found(files=files, trust=trust)
        folders = () if alone else tree.directories_ending_with(path)
        if len(folders) == 1:
            return _Found(below=tree.under(folders[0]), trust=trust)
    spoken_of = resolve_common(mention.path.lower(), tree.by_name)  # README for README.md
    return _Found(files=spoken_of) if spoken_of else None


def _find_glob(glob: str, tree: TreePaths) -> _Found | None:
    try:
        below = tree.matching(glob)
    except UsageError:  # of a word in prose that is no glob
        return None
    return _Found(below=below) if below else None


def _judge(mention: Mention, found: _Found, prompt: Prompt) -> _Finding:
    """Return guesses for the files that the mention may mean."""
    trust = found.trust * _trust(mention)
    where = _where(mention)
    if found.below:
        edits = NAMED_EDITS * trust
        guesses, note = _spread(found.below, mention.path, edits=edits, reason=f"lies in {where}")
        return guesses, note if mention.place is MentionPlace.TEXT else ""
    share = NAMED * trust / len(found.files)
    if len(found.files) > 1:
        where = f"one of {len(found.files)} files that could be {where}"
    return [
        _Guess(
            path=path,
            probability=share * (SIBLING if _is_sibling(path, prompt) else 1.0),
            reason=where,
            lines=mention.lines if mention.place is MentionPlace.TEXT else None,
        )
        for path in found.files
    ], ""


def _trust(mention: Mention) -> float:
    return _TRUST.get(mention.place, 1.0) * _TRUST.get(mention.verb, 1.0)


def _where(mention: Mention) -> str:
    """Return the place of the mention in words."""
    place = {
        MentionPlace.FENCE: " in code",
        MentionPlace.TRACE: " in a traceback",
        MentionPlace.TEXT: "",
    }[mention.place]
    under = f" under '{mention.heading[:60]}'" if mention.heading else ""
    spared = ", not to be changed" if mention.verb is MentionVerb.SPARE else ""
    return f"{mention.path} named{place} in line {mention.line}{under}{spared}"


def _is_sibling(path: str, prompt: Prompt) -> bool:
    folder = prompt.path.rpartition("/")[0]
    return bool(folder) and path.endswith(".md") and path.rpartition("/")[0] == folder


def _create(mention: Mention, tree: TreePaths) -> _Finding:
    """Predict a new file for a path that is not in the tree, if it is likely enough."""
    path = _new_path(mention, tree)
    if path and mention.verb in (MentionVerb.CREATE, MentionVerb.MODIFY):
        asked = CREATED if mention.verb is MentionVerb.CREATE else MISNAMED
        reason = f"not there yet: {_where(mention)}"
        return [_Guess(path=path, probability=asked * _trust(mention), reason=reason)], ""
    should_be_there = mention.verb is not MentionVerb.CREATE and has_known_name(mention.path)
    if mention.place is MentionPlace.TEXT and should_be_there:
        return [], f"line {mention.line} names {mention.path}, which is not in the repository"
    return [], ""


def _new_path(mention: Mention, tree: TreePaths) -> str:
    """Return the path at which a new file or directory would lie, "" if it is unlikely."""
    if mention.kind is WordKind.GLOB:
        return ""
    parent, _, name = mention.path.rpartition("/")
    if mention.foreign:
        return _home(parent, name, tree)
    asked = mention.verb is MentionVerb.CREATE and (mention.bullet or mention.quoted)
    if mention.kind is WordKind.DIRECTORY:
        return f"{mention.path}/" if asked and tree.has_directory(parent) else ""
    if not parent:
        in_prose = mention.place is MentionPlace.TEXT and (asked or mention.bullet)
        listed = in_prose or (mention.bullet and "file" in mention.heading.lower())
        return name if listed and has_known_name(name) else ""
    if tree.has_directory(parent):
        return mention.path
    folders = tree.directories_ending_with(parent)
    if len(folders) == 1:
        return f"{folders[0]}/{name}"
    return mention.path if has_known_name(name) else ""


def _home(parent: str, name: str, tree: TreePaths) -> str:
    """Return where a file of another machine would lie in this tree.

    This is below the longest end of its folder's path that exists here; "" if none does.
    """
    segments = parent.split("/")
    for dropped in range(len(segments)):
        folder = "/".join(segments[dropped:])
        if folder and tree.has_directory(folder):
            return f"{folder}/{name}" if has_known_name(name) else ""
    return ""


def _combined(guesses: Iterable[_Guess]) -> tuple[FootprintEntry, ...]:
    """Return one entry for each path, likeliest first.

    It has the probability and the reason of the likeliest guess, and lines only if all guesses do.
    """
    by_path: dict[str, list[_Guess]] = {}
    for guess in guesses:
        if guess.probability >= LEAST:
            by_path.setdefault(guess.path, []).append(guess)
    entries = []
    for path, group in by_path.items():
        best = max(group, key=lambda guess: guess.probability)
        entries.append(
            FootprintEntry(
                path=path,
                probability=round(best.probability, 4),
                reason=best.reason,
                lines=_region([guess.lines for guess in group]),
            )
        )
    return tuple(sorted(entries, key=lambda entry: (-entry.probability, entry.path)))[:MAX_ENTRIES]


def _region(regions: Sequence[_Lines]) -> _Lines:
    """Return the lines from the first to the last of all regions, None if one is unknown."""
    known = [lines for lines in regions if lines]
    if len(known) < len(regions):
        return None
    return min(first for first, _ in known), max(last for _, last in known)
