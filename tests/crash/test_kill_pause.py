"""A run killed while it waits for the end of a usage limit resumes in the same pause."""

from __future__ import annotations

import os
import signal
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from concertmaster.events import PauseEnded, PhaseFailed, PhaseFinished, RunResumed
from concertmaster.model import Outcome
from concertmaster.run.state_machine import begin_run, handle
from concertmaster.settings.choices import Phase
from tests.commandline import write_prompt
from tests.conftest import Project, wait_until
from tests.crash.world import Run, World, living

AGENTS = Path(__file__).parents[1] / "agents"
NAMES = ("one", "two", "three")
STARTED, BASE_CHECKED = 1, 1  # events before the tasks'
LIMIT_SECONDS = 3600  # a resumed run gets a clock near the end of this time

# No task hits the limit before all have begun. Each continues from its half-done work.
STORY = """
echo "{name} $SESSION $TURN" >> "$HOME/asked"
until test "$(wc -l < "$HOME/asked")" -ge 3; do sleep 0.02; done
( set -C; expr "$(date +%s)" + {limit} > "$HOME/reset" ) 2>> /dev/null || true
until test -s "$HOME/reset"; do sleep 0.02; done
if ! test -e "$HOME/over"; then
  echo half > {name}.txt; echo "limit $(cat "$HOME/reset")" >> "$ORDERS"
else
  echo whole >> {name}.txt
fi
"""


AT_ITS_TIME = """
import sys, time
from concertmaster.cli.main import main
ours, ahead = time.time, float(sys.argv[1]) - time.time()
time.time = lambda: ours() + ahead
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def three_tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = Project(tmp_path_factory.mktemp("pause") / "project")
    for name in NAMES:
        script = STORY.format(name=name, limit=LIMIT_SECONDS)
        write_prompt(project, name, script, head=f"touches: [{name}.txt]")
    project.commit("Prompts", {"README.md": "# Three\n"})
    return project.root


@pytest.fixture
def world(tmp_path: Path, three_tasks: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    python = Path(sys.executable).parent
    monkeypatch.setenv("PATH", os.pathsep.join([str(AGENTS), str(python), os.environ["PATH"]]))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return World.make(tmp_path, template=three_tasks)


def kill_in_the_pause(world: World, *, limited: int) -> float:
    """Kill the run after `limited` tasks recorded the limit; return when the limit ends."""
    prompts = [f"prompts/{name}.md" for name in NAMES]
    options = ("--agent", "claude", "--check", "true", "--phases", "lean", "--parallel", "3")
    after = STARTED + BASE_CHECKED + len(NAMES) + limited
    code = world.do_until_killed(["run", *prompts, *options], after=after)
    assert code == -signal.SIGKILL, world.output()
    ended = [event for event in world.last_run().events if isinstance(event, PhaseFailed)]
    assert [event.outcome for event in ended] == [Outcome.LIMITED] * limited
    wait_until(lambda: not living())
    (world.folder / "home/over").touch()
    return float((world.folder / "home/reset").read_text())


def asked(world: World) -> dict[str, list[tuple[str, str]]]:
    """Return session and turn of each call of the agent, by name of the task."""
    found = defaultdict(list)
    for line in (world.folder / "home/asked").read_text().splitlines():
        name, session, turn = line.split()
        found[name].append((session, turn))
    return found


def resume(world: World, *, at: float) -> Run:
    """Resume the run with a clock that starts at `at`, in seconds since the epoch."""
    assert world.start(["-c", AT_ITS_TIME, str(at)], ["resume"]).wait() == 0, world.output()
    run = world.last_run()
    records = run.state.tasks.values()
    assert [(one.state, len(one.attempts)) for one in records] == [("landed", 1)] * len(NAMES)
    assert not world.attempts, "an attempt's folder is left"
    return run


def pauses(run: Run) -> int:
    """Return how often the run began to wait."""
    state, waits = begin_run(run.state.plan), [False]
    for event in run.events:
        state, _ = handle(state, event)
        waits.append(bool(state.paused_until))
    return [now and not before for before, now in pairwise(waits)].count(True)


def worked_at(run: Run) -> list[float]:
    done = [e for e in run.events if isinstance(e, PhaseFinished) and e.phase is Phase.IMPLEMENT]
    return [event.at for event in done]


def check_each_went_on_where_it_was(world: World) -> None:
    for name in NAMES:
        assert world.git("show", f"main:{name}.txt") == "half\nwhole"
    for told in asked(world).values():
        assert [turn for _, turn in told] == ["1", "2"]
        assert len({session for session, _ in told}) == 1


@pytest.mark.crash
def test_resumed_before_the_limit_ends_it_goes_on_waiting_and_then_where_it_was(
    world: World,
) -> None:
    reset = kill_in_the_pause(world, limited=len(NAMES))

    run = resume(world, at=reset - 2)

    (ended,) = [event for event in run.events if isinstance(event, PauseEnded)]
    assert ended.at >= reset
    assert min(worked_at(run)) >= reset
    assert pauses(run) == 1
    check_each_went_on_where_it_was(world)


@pytest.mark.crash
def test_resumed_after_the_limit_has_ended_it_goes_on_at_once(world: World) -> None:
    reset = kill_in_the_pause(world, limited=len(NAMES))

    run = resume(world, at=reset + 1)

    kinds = [type(event) for event in run.events]
    at = kinds.index(RunResumed)
    assert kinds[at + 1] is PauseEnded
    assert pauses(run) == 1
    check_each_went_on_where_it_was(world)


@pytest.mark.crash
def test_who_had_met_the_limit_and_not_yet_said_so_begins_anew_after_it(world: World) -> None:
    reset = kill_in_the_pause(world, limited=1)

    run = resume(world, at=reset - 2)

    assert min(worked_at(run)) >= reset
    assert pauses(run) == 1
    told = asked(world)
    assert sorted(len({session for session, _ in one}) for one in told.values()) == [1, 2, 2]
    assert [len(one) for one in told.values()] == [2, 2, 2]
    texts = sorted(world.git("show", f"main:{name}.txt") for name in NAMES)
    assert texts == ["half\nwhole", "whole", "whole"]
