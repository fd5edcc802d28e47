"""Defines the command `concertmaster logs`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from concertmaster.cli.options import json_option, repo_option
from concertmaster.cli.run_task import (
    NamedTask,
    attempt_option,
    find_named_task,
    run_option,
    task_argument,
)
from concertmaster.engine.recorded_run import read_run
from concertmaster.files import run_folder
from concertmaster.git.repository import Repository
from concertmaster.report.transcript_lines import say_transcript_line
from concertmaster.terminal.console import Console

FILES = {
    "agent": "transcript.jsonl",
    "check": "check.log",
    "setup": "setup.log",
    "review": "review.jsonl",
}
MOST_BYTES = 1 << 20  # of the end of a log
_POLL_SECONDS = 0.5


@click.command()
@task_argument
@repo_option
@run_option
@attempt_option
@click.option("--check", "kind", flag_value="check", help="The log of the check.")
@click.option("--setup", "kind", flag_value="setup", help="The log of the setup.")
@click.option("--review", "kind", flag_value="review", help="What the reviewing agent did.")
@click.option("--lines", "-n", type=click.IntRange(min=1), default=200, help="Of the end (200).")
@click.option("--raw", is_flag=True, help="The lines of the agent as it wrote them.")
@click.option("--follow", "-f", is_flag=True, help="Go on until the attempt ends.")
@json_option
@click.pass_obj
def logs(console: Console, /, task: str, repo: Path, json: bool, **given: Any) -> int:
    """Show what the agent of a task did.

    With --check, --setup or --review, show the log of that instead.
    """
    named = find_named_task(Repository.open(repo), task, run=given["run"])
    kind = given["kind"] or "agent"
    log = _Log(
        named=named,
        number=named.attempt(given["attempt"] or 0).number,
        name=FILES[kind],
        is_raw=given["raw"] or kind in ("check", "setup"),
    )
    data, place = _read_end(log.path)
    told = [*log.say(data)][-given["lines"] :]
    if json:
        console.document({**log.document(), "lines": told})
        return 0
    for line in told:
        console.line(line)
    if given["follow"]:
        _follow(console, log, place)
    elif not told:
        console.note(f"{log.name} of attempt {log.number} of {named.id} is empty")
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Log:
    """A log of an attempt. `is_raw` says that its lines are shown as they stand."""

    named: NamedTask
    number: int
    name: str
    is_raw: bool

    @property
    def path(self) -> Path:
        return self.named.folder / "tasks" / self.named.id / str(self.number) / self.name

    def say(self, data: bytes) -> Iterator[str]:
        for line in data.decode(errors="replace").splitlines():
            yield from [line] if self.is_raw else say_transcript_line(line)

    def document(self) -> dict[str, Any]:
        told = {"run": self.named.folder.name, "task": self.named.id}
        return {**told, "attempt": self.number, "path": str(self.path)}

    def is_over(self) -> bool:
        """Return whether nothing more is written to it."""
        if not run_folder.is_locked(self.named.folder):
            return True
        attempts = read_run(self.named.folder).state.tasks[self.named.id].attempts
        return any(one.number == self.number and one.outcome for one in attempts)


def _read_end(path: Path, *, place: int = -1) -> tuple[bytes, int]:
    """Return the bytes from a place to the end of the file, and where that is.

    Without a place, at most the last MOST_BYTES are read. A file that is not there is empty.
    """
    if not path.is_file():
        return b"", max(place, 0)
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = file.seek(max(0, size - MOST_BYTES) if place < 0 else place)
        data = file.read(max(0, size - start))
    return data, start + len(data)


def _follow(console: Console, log: _Log, place: int) -> None:
    """Print what is added to the log until the attempt has ended."""
    rest = b""
    while True:
        is_over = log.is_over()
        data, place = _read_end(log.path, place=place)
        *whole, rest = (rest + data).split(b"\n")
        if is_over:
            whole.append(rest)
        for line in log.say(b"\n".join(whole)):
            console.line(line)
        if is_over:
            return
        time.sleep(_POLL_SECONDS)
