"""A run killed in any phase continues the agent's session and repeats no finished phase."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from concertmaster.events import PhaseFinished
from concertmaster.settings.choices import Phase
from tests.commandline import write_prompt
from tests.conftest import Project, wait_until
from tests.crash.world import Run, World, living

AGENTS = Path(__file__).parents[1] / "agents"
PHASES = (
    Phase.PREPARE,
    Phase.RESEARCH,
    Phase.IMPLEMENT,
    Phase.TEST,
    Phase.DOCUMENT,
    Phase.TEST,
    Phase.REVIEW,
    Phase.DELIVER,
)
OWN = ("research", "implement", "document")
BASE_CHECKED = 2  # events before the first phase

# The first lines of a prompt tell the phase. A phase with a `hold` file hangs until it is killed.
STORY = """
case "$(head -n 2 "$PROMPT_FILE")" in
  *"Find out how the task"*) phase=research;;
  *"The task below is done"*) phase=document;;
  *"Review a change"*) phase=review;;
  *) phase=implement;;
esac
echo "$phase $SESSION $TURN" >> "$HOME/asked"
if test -e half.txt; then echo "$phase" >> "$HOME/unclean"; fi
if rm "$HOME/hold-$phase" 2> /dev/null; then
  echo half > half.txt; touch "$HOME/held"; exec sleep 600
fi
echo '```json'
case $phase in
  research) echo '{"steps": ["write it"], "paths": ["answer.txt"]}';;
  review)
    sed -n 's/^\\({"task".*\\) or request_changes",/\\1", "comments": []}/p' "$PROMPT_FILE";;
  document) echo done >> README.md; echo '{}';;
  implement) echo right > answer.txt; echo '{}';;
esac
echo '```'
"""


@pytest.fixture(scope="module")
def answer_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = Project(tmp_path_factory.mktemp("phases") / "project")
    write_prompt(project, "answer", STORY)
    project.commit("Prompt", {"README.md": "# Answers\n"})
    return project.root


@pytest.fixture
def world(tmp_path: Path, answer_template: Path) -> World:
    return World.make(tmp_path, template=answer_template)


@pytest.fixture(autouse=True)
def _agents_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    python = Path(sys.executable).parent
    monkeypatch.setenv("PATH", os.pathsep.join([str(AGENTS), str(python), os.environ["PATH"]]))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


def asked(world: World) -> list[list[str]]:
    """Return phase, session and turn of each call of the agent."""
    return [line.split() for line in (world.folder / "home/asked").read_text().splitlines()]


def finished(run: Run) -> list[Phase]:
    return [event.phase for event in run.events if isinstance(event, PhaseFinished)]


def resume_to_the_end(world: World) -> Run:
    wait_until(lambda: not living())
    code = world.do("resume", world.last_run().name)
    assert code == 0, world.output()
    assert world.git("show", "main:answer.txt") == "right"
    assert world.git("show", "main:README.md") == "# Answers\ndone"
    assert not world.attempts, "an attempt's folder is left"
    return world.last_run()


def check_one_conversation(world: World) -> None:
    own = [(session, turn) for phase, session, turn in asked(world) if phase in OWN]
    assert len({session for session, _ in own}) == 1
    assert [turn for _, turn in own] == [str(number + 1) for number in range(len(own))]


@pytest.mark.crash
@pytest.mark.parametrize(
    ("agent", "count"), [*product(["codex", "gemini", "claude"], [2, 3, 4, 5, 7])]
)
def test_killed_after_a_finished_phase_it_goes_on_at_the_next_in_the_same_session(
    world: World, agent: str, count: int
) -> None:
    options = ("--agent", agent, "--check", "true", "--phases", "full")
    arguments = ["run", "prompts/answer.md", *options]
    code = world.do_until_killed(arguments, after=BASE_CHECKED + count)
    assert code == -signal.SIGKILL, world.output()
    assert tuple(finished(world.last_run())) == PHASES[:count]

    run = resume_to_the_end(world)

    assert tuple(finished(run)) == PHASES
    assert Counter(phase for phase, _, _ in asked(world)) == dict.fromkeys([*OWN, "review"], 1)
    check_one_conversation(world)


@pytest.mark.crash
@pytest.mark.parametrize("phase", [*OWN, "review"])
def test_killed_inside_a_phase_only_that_runs_again_and_what_was_half_done_is_kept(
    world: World, phase: str
) -> None:
    (world.folder / "home" / f"hold-{phase}").touch()
    options = ("--agent", "codex", "--check", "true", "--phases", "full")
    running = world.start(["-m", "concertmaster"], ["run", "prompts/answer.md", *options])
    wait_until((world.folder / "home/held").exists)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()

    run = resume_to_the_end(world)

    assert tuple(finished(run)) == PHASES
    times = Counter(phase for phase, _, _ in asked(world))
    assert times == {**dict.fromkeys([*OWN, "review"], 1), phase: 2}
    assert not (world.folder / "home/unclean").exists()
    if phase != "review":  # the reviewer's worktree is always discarded
        assert len(saved(world, run, Phase(phase))) == 1


def saved(world: World, run: Run, phase: Phase) -> list[str]:
    """Return the commits with half-done work that the notes of the phase name."""
    git_dir = f"--git-dir={run.folder / 'repository.git'}"
    return [
        commit
        for event in run.events
        if isinstance(event, PhaseFinished) and event.phase is phase
        for commit in re.findall(r"saved as ([0-9a-f]{40})", " ".join(event.notes))
        if "half.txt" in world.git(git_dir, "ls-tree", "--name-only", commit).split("\n")
    ]
