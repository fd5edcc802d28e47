"""Provides a project whose prompt is a list of tasks, and an agent that answers as told."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from tests.commandline import Done, concertmaster
from tests.conftest import Project

LIST = "# Two things\n\n1. Write the lexer.\n2. Write the parser on top of it.\n"
LEXER = {"name": "lexer", "title": "Write the lexer", "text": "The lexer.", "needs": []}
PARSER = {"name": "parser", "title": "The parser", "text": "On top.", "needs": ["lexer"]}
GOOD = {"pieces": [LEXER, PARSER], "whole": ""}
WRITTEN = ["prompts/list/lexer.md", "prompts/list/parser.md"]


class Desk:
    """A project with a prompt that is a list, and a scripted agent with one answer per turn."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.project = project
        self.folder = folder
        self.folder.mkdir()
        project.commit("A list", {"prompts/list.md": LIST})

    def answer(self, *answers: Any, script: str = "") -> None:
        """Set the answers of the agent, of which the last one is repeated.

        Objects become JSON; texts are given as they are. `script` runs before each answer.
        """
        for number, one in enumerate(answers, 1):
            text = one if isinstance(one, str) else f"```json\n{json.dumps(one)}\n```\n"
            (self.folder / f"answer-{number}").write_text(text, encoding="utf-8")
        (self.folder / "agent.sh").write_text(
            f"cd_to={shlex.quote(str(self.folder))}\n"
            'cat > "$cd_to/asked"; echo x >> "$cd_to/turns"\n'
            f"{script}\n"
            'turn=$(grep -c x "$cd_to/turns")\n'
            f'test "$turn" -le {len(answers)} || turn={len(answers)}\n'
            'cat "$cd_to/answer-$turn"\n'
        )

    @property
    def command(self) -> tuple[str, ...]:
        return ("--agent-command", f"sh {shlex.quote(str(self.folder / 'agent.sh'))}")

    def split(self, *arguments: str) -> Done:
        return concertmaster(
            "split", "prompts/list.md", *self.command, *arguments, cwd=self.project.root
        )

    @property
    def turns(self) -> int:
        file = self.folder / "turns"
        return len(file.read_text().split()) if file.exists() else 0

    @property
    def new_files(self) -> list[str]:
        """The files of the project that are not committed, with those that git ignores."""
        words = self.project.git("status", "--porcelain", "--untracked-files=all", "--ignored")
        return [line[3:] for line in words.splitlines()]

    @property
    def traces(self) -> list[str]:
        """The folders and refs that splits have left, apart from prompt files."""
        cache = Path.home() / ".cache" / "concertmaster" / "attempts"
        places = [*cache.glob("*"), *(self.project.root / ".git" / "concertmaster").glob("*")]
        refs = self.project.git("for-each-ref", "--format=%(refname)").split()
        return [*map(str, places), *(ref for ref in refs if ref != "refs/heads/main")]
