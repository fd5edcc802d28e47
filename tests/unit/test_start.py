from __future__ import annotations

import subprocess
import sys

LATER = (
    *("frontmatter", "github", "github3", "jinja2", "markdown_it", "pathspec", "psutil"),
    *("pydantic", "pydantic_settings", "rich", "yaml"),
)
PROBE = f"""
import sys, concertmaster.__main__
print([name for name in {LATER} if name in sys.modules])
"""


def test_the_start_loads_nothing_that_only_a_later_step_needs() -> None:
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(command, check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "[]"
