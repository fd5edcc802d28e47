"""The program as its user meets it: started in a folder, answering in words and an exit code."""

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
from typing import Any

from tests.conftest import Project

AGENTS = Path(__file__).parent / "agents"
OBEDIENT = AGENTS / "obedient.py"
OBEDIENT_COMMAND = f"exec '{sys.executable}' -I -S '{OBEDIENT}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One invocation that has ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What `--json` gave: exactly one document, and nothing else."""
        return json.loads(self.out)


def concertmaster(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None, seconds: float = 120
) -> Done:
    """Run the program as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "concertmaster", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=seconds,
        check=False,
    )
    # Not by universal newlines: a lone carriage return is something to be found.
    return Done(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())


def called(*arguments: str | Path) -> Done:
    """The same within this process, which is quicker, and by the installed script's own entry."""
    (script,) = entry_points(group="console_scripts", name="concertmaster")
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = script.load()([*map(str, arguments)])
    return Done(code=code, out=out.getvalue(), err=err.getvalue())


def among_agents(home: Path) -> dict[str, str]:
    """An environment in which the scripted agents are found, and keep their sessions in `home`."""
    return {
        "PATH": f"{AGENTS}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def write_prompt(
    project: Project, name: str, script: str, *, head: str = "", title: str = ""
) -> str:
    """A prompt for the obedient agent; `head` is front matter. Its path in the project."""
    front = f"---\n{head.strip()}\n---\n" if head else ""
    text = f"{front}# {title or f'Task {name}'}\n\nDo this:\n\n```sh\n{script.strip()}\n```\n"
    project.write({f"prompts/{name}.md": text})
    return f"prompts/{name}.md"


def fingerprint(folder: Path) -> dict[str, str]:
    """Every file, folder and link below, with its mode and what it holds."""
    return {
        str(path.relative_to(folder)): f"{path.lstat().st_mode:o} {_content(path)}"
        for path in sorted(folder.rglob("*"))
    }


def _content(path: Path) -> str:
    kind = stat.S_IFMT(path.lstat().st_mode)
    if kind == stat.S_IFLNK:
        return str(path.readlink())
    return hashlib.sha256(path.read_bytes()).hexdigest() if kind == stat.S_IFREG else ""
