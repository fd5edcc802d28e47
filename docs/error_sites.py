"""Reads from the source which errors users may see, with their causes and their next steps."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "concertmaster"
GITHUB = {"action", "github", "rounds", "watch"}
UNKNOWN = "…"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ErrorSite:
    """A place that makes an error. `…` stands for what is only known when it happens."""

    what: str
    why: str
    next_step: str
    on_github: bool


@cache
def find_error_sites() -> tuple[ErrorSite, ...]:
    """Return the errors with a message of their own, sorted by message."""
    return tuple(sorted({site for path in SOURCE.rglob("*.py") for site in _sites(path)}))


def _sites(path: Path) -> Iterator[ErrorSite]:
    package = path.relative_to(SOURCE).parts[0]
    source = path.read_text()
    for call in ast.walk(ast.parse(source)) if "next_step=" in source else ():
        if not isinstance(call, ast.Call) or not call.args:
            continue
        given = {one.arg: _text(one.value) for one in call.keywords}
        what = _text(call.args[0])
        if "next_step" in given and what.replace(UNKNOWN, "").strip(" ,"):
            yield ErrorSite(
                what=what,
                why=given.get("why", ""),
                next_step=given["next_step"],
                on_github=package in GITHUB,
            )


def _text(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) for part in parts)
        case ast.BinOp(left=left, right=right):
            return _text(left) + _text(right)
        case _:
            return UNKNOWN
