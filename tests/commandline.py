"""Runs the program as its user does and reads its answer: words and an exit code."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import entry_points
from io import StringIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from jsonschema import Draft202012Validator

from tests.conftest import Project
from tests.preloaded import preloaded

AGENTS = Path(__file__).parent / "agents"
SCHEMA_FOLDER = Path(__file__).parents[1] / "schemas"
OBEDIENT = AGENTS / "obedient.py"
OBEDIENT_COMMAND = f"exec '{sys.executable}' -I -S '{OBEDIENT}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The result of one invocation."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Return the document that `--json` printed; anything beside it is an error."""
        return json.loads(self.out)


def concertmaster(
    *arguments: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    is_fresh: bool = False,
) -> Done:
    """Run the program as a process of its own.

    It is forked from a process that has loaded it. With `is_fresh` it is started anew, so that
    it loads the source that the environment names and `/proc/PID/environ` shows that environment.
    """
    words, whole = [*map(str, arguments)], {**os.environ, **(env or {})}
    with TemporaryFile() as out, TemporaryFile() as err, Path(os.devnull).open("rb") as nothing:
        if is_fresh:
            command = [sys.executable, "-m", "concertmaster", *words]
            code = subprocess.run(
                command, cwd=cwd, env=whole, stdin=nothing, stdout=out, stderr=err, check=False
            ).returncode
        else:
            streams = [file.fileno() for file in (nothing, out, err)]
            code = preloaded().run(words, cwd=cwd, env=whole, streams=streams)
        told = [read_again(out), read_again(err)]
    return Done(code=code, out=told[0], err=told[1])


def read_again(file: IO[bytes]) -> str:
    # Universal newlines would hide a lone carriage return.
    file.seek(0)
    return file.read().decode()


def called(*arguments: str | Path) -> Done:
    """The same within this process, which is quicker, and by the installed script's own entry."""
    (script,) = entry_points(group="console_scripts", name="concertmaster")
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = script.load()([*map(str, arguments)])
    return Done(code=code, out=out.getvalue(), err=err.getvalue())


def fit_schema(name: str, document: Any) -> Any:
    """Return the document, which fits the schema of this name."""
    schema = json.loads((SCHEMA_FOLDER / f"{name}.schema.json").read_text())
    Draft202012Validator(schema).validate(document)
    return document


def among_agents(home: Path) -> dict[str, str]:
    """Return an environment that finds the scripted agents; their sessions are in `home`."""
    return {
        "PATH": f"{AGENTS}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def write_prompt(
    project: Project, name: str, script: str, *, head: str = "", title: str = ""
) -> str:
    """Write a prompt for the obedient agent and return its path in the project.

    `head` is front matter.
    """
    front = f"---\n{head.strip()}\n---\n" if head else ""
    text = f"{front}# {title or f'Task {name}'}\n\nDo this:\n\n```sh\n{script.strip()}\n```\n"
    project.write({f"prompts/{name}.md": text})
    return f"prompts/{name}.md"


def fingerprint(folder: Path) -> dict[str, str]:
    """Return mode and content of every file, folder and link below the folder, by path."""
    return {
        str(path.relative_to(folder)): f"{path.lstat().st_mode:o} {_content(path)}"
        for path in sorted(folder.rglob("*"))
    }


def _content(path: Path) -> str:
    kind = stat.S_IFMT(path.lstat().st_mode)
    if kind == stat.S_IFLNK:
        return str(path.readlink())
    return hashlib.sha256(path.read_bytes()).hexdigest() if kind == stat.S_IFREG else ""
