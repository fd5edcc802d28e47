"""Observes which paths running attempts plan to change and change, and posts what is new."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from concertmaster.commands import RunPhase
from concertmaster.errors import GitFault
from concertmaster.events import FootprintObserved, PhaseFailed, PhaseFinished
from concertmaster.git.run_repository import RunRepository
from concertmaster.model import Sighting
from concertmaster.planning.learnt_footprints import NOTHING_OBSERVED, ObservedPaths
from concertmaster.settings.choices import Phase
from concertmaster.worktrees.ignore_rules import IgnoreRules
from concertmaster.worktrees.ignored_files import is_made_anew
from concertmaster.worktrees.live_listing import LiveListing

MOST_EVENTS = 50  # of an attempt
MOST_LOOKS = 40  # of these; the others are for the ends of phases
MOST_PATHS = 200  # of an event
MOST_NEW = 2000  # new files that git is asked about in one look
LONGEST_PATH = 400  # characters
LEAST_REST = 20.0  # times as long as a round of looks took
WATCHED = (Phase.IMPLEMENT, Phase.DOCUMENT)  # phases whose changes are the task's

Post = Callable[[FootprintObserved], None]
Attempt = tuple[str, int]  # the task and the number of the attempt


class FootprintObserver:
    """A context manager whose thread looks at the watched worktrees every few seconds.

    The thread is a daemon and is never joined, because a look may hang with its disk.
    """

    def __init__(
        self, objects: RunRepository, rules: IgnoreRules, post: Post, *, seconds: float
    ) -> None:
        self._objects = objects
        self._rules = rules
        self._post = post
        self._seconds = seconds
        self._lock = threading.Lock()
        self._known: dict[Attempt, ObservedPaths] = {}
        self._watched: dict[Attempt, _Watched] = {}
        self._over = threading.Event()

    def __enter__(self) -> FootprintObserver:
        threading.Thread(target=self._run, name="observer", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def recall(self, known: Mapping[Attempt, ObservedPaths]) -> None:
        """Take over what the journal tells of attempts, so that nothing is posted twice."""
        self._known.update(known)

    def _run(self) -> None:
        rest = self._seconds
        while not self._over.wait(rest):
            began = time.monotonic()
            self.look()
            rest = max(self._seconds, LEAST_REST * (time.monotonic() - began))

    def look(self) -> None:
        """Look at every watched worktree once and post what has changed."""
        with self._lock:
            all_watched = [*self._watched.values()]
        for watched in all_watched:
            paths = watched.find_changes(self._rules)
            with self._lock:
                if self._watched.get(watched.attempt) is watched:
                    self._note(watched.attempt, Sighting.CHANGING, paths)

    @contextmanager
    def watching(self, command: RunPhase, files: Path) -> Iterator[None]:
        """Watch the worktree while an agent works in it, if its changes are the task's."""
        if command.phase not in WATCHED:
            yield
            return
        key = (command.task.id, command.attempt)
        folders = self._objects.folders(command.checkpoint)
        before = LiveListing.see(files, known=folders, before=None)
        with self._lock:
            earlier = self._known.get(key, NOTHING_OBSERVED).changed
            self._watched[key] = _Watched(
                attempt=key, files=files, folders=folders, before=before, earlier=earlier
            )
        try:
            yield
        finally:
            with self._lock:
                del self._watched[key]

    def note_plan(self, command: RunPhase, paths: Iterable[str]) -> None:
        """Post the paths that the agent's plan names."""
        with self._lock:
            self._note((command.task.id, command.attempt), Sighting.PLANNED, paths)

    def note_end(self, command: RunPhase, answer: PhaseFinished | PhaseFailed) -> None:
        """Post the paths that the attempt has changed when a phase with changes has ended.

        Work that goes on from an earlier attempt is there when the worktree is.
        """
        is_finished = isinstance(answer, PhaseFinished)
        commit = answer.checkpoint if isinstance(answer, PhaseFinished) else answer.saved
        base = command.base
        if command.carried is not None and isinstance(answer, PhaseFinished):
            base = answer.base
        elif command.phase not in WATCHED:
            return
        if not commit or not base:
            return
        try:
            changed = [change.path for change in self._objects.changes(base, commit)]
        except GitFault:  # the phase has its answer, and foresight is not worth a run
            return
        sighting = Sighting.CHANGED if is_finished else Sighting.CHANGING
        with self._lock:
            self._note((command.task.id, command.attempt), sighting, changed)

    def _note(self, attempt: Attempt, sighting: Sighting, paths: Iterable[str]) -> None:
        """Post the paths unless they are known or there are too many events."""
        found = {*paths}
        usable = tuple(sorted(filter(_is_usable, found))[:MOST_PATHS])
        known = self._known.get(attempt, NOTHING_OBSERVED)
        seen = known.add(sighting, usable)
        limit = MOST_LOOKS if sighting is Sighting.CHANGING else MOST_EVENTS
        is_same = (seen.planned, seen.changed, seen.is_done) == (
            *(known.planned, known.changed, known.is_done),
        )
        if is_same or seen.events > limit:
            return
        self._known[attempt] = seen
        task, number = attempt
        self._post(
            FootprintObserved(
                task=task,
                attempt=number,
                sighting=sighting,
                paths=usable,
                left_out=len(found) - len(usable),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    """A worktree that an agent works in; `before` are its files when the phase began."""

    attempt: Attempt
    files: Path
    folders: Collection[str]
    before: LiveListing
    earlier: tuple[str, ...]

    def find_changes(self, rules: IgnoreRules) -> set[str]:
        """Return the paths that the attempt has changed so far, without ignored ones."""
        now = LiveListing.see(self.files, known=self.folders, before=self.before)
        changed = now.changes_since(self.before)
        new = {path for path in changed if path not in self.before.entries}
        made = sorted(path for path in new if _is_usable(path) and not is_made_anew(path))
        return {*self.earlier} | (changed - new) | rules.drop_ignored(made[:MOST_NEW])


def _is_usable(path: str) -> bool:
    """Return whether the path may stand in the journal; an agent can choose any name."""
    return len(path) <= LONGEST_PATH and path.isprintable()
