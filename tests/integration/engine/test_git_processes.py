"""A task asks git for what may have changed, and nobody asks again for what cannot change."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

from tests.commandline import concertmaster
from tests.conftest import Project

TASKS = 6
MOST_FOR_A_RUN = 45
MOST_FOR_A_TASK = 26
WRAPPER = """\
#!/bin/sh
echo "$*" >> "{log}"
exec "{git}" "$@"
"""


def count_calls(log: Path) -> Counter[str]:
    """Return how often git was called, by the words behind our settings."""
    calls = (line.split(" ") for line in log.read_text().splitlines())
    return Counter(" ".join(_without_settings(words)) for words in calls)


def _without_settings(words: list[str]) -> list[str]:
    return _without_settings(words[2:]) if words[0] in ("-C", "-c") else words


def test_a_task_takes_few_git_processes(project: Project, tmp_path: Path) -> None:
    names = [f"prompts/{number}.md" for number in range(TASKS)]
    base = project.commit("Prompts", {name: f"# Write {name}.txt\n" for name in names})
    log, git = tmp_path / "log", tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text(WRAPPER.format(log=log, git=shutil.which("git")))
    git.chmod(0o755)

    done = concertmaster(
        *("run", *names, "--check", "true", "--parallel", "1", "--agent", "command"),
        *("--agent-command", 'echo x > "$$.txt"'),
        cwd=project.root,
        env={**os.environ, "PATH": f"{git.parent}:{os.environ['PATH']}"},
    )

    assert done.code == 0, done.out + done.err
    calls = count_calls(log)
    constant = (f"cat-file blob {base}:", f"rev-list --no-merges --max-count=1 {base} ")
    asked = {call: times for call, times in calls.items() if call.startswith(constant)}
    assert asked
    assert set(asked.values()) == {1}
    assert calls.total() <= MOST_FOR_A_RUN + MOST_FOR_A_TASK * TASKS, calls.most_common()
