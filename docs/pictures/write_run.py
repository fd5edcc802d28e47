"""Writes run.svg, the end of a real run of the demo in a terminal: `make pictures`."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 100
LAST_LINES = 34
# Rich's own page loads a font from the network.
PAGE = """<svg viewBox="0 0 {terminal_width} {terminal_height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
<rect fill="#1b1f24" width="{terminal_width}" height="{terminal_height}" rx="8"/>
<g transform="translate(9, 9)" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""


def run_demo() -> str:
    """Return what the demo prints into a terminal."""
    with tempfile.TemporaryDirectory() as folder:
        place = f"{folder}/inkwell"
        command = f"{sys.executable} -m concertmaster demo --folder {place}"
        done = subprocess.run(
            ["script", "--quiet", "--return", "--command", command, "/dev/null"],
            env={"PATH": "/usr/bin:/bin", "HOME": folder, "COLUMNS": str(COLUMNS), "TERM": "xterm"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.replace(place, "inkwell")


def write_picture(printed: str, path: Path) -> None:
    """Write the last lines of a terminal's output as a picture."""
    shown = Text.from_ansi("\n".join(printed.splitlines()[-LAST_LINES:]))
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(shown)
    path.write_text(console.export_svg(title="", code_format=PAGE, unique_id="run"))


if __name__ == "__main__":
    write_picture(run_demo(), Path(__file__).with_name("run.svg"))
