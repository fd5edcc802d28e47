"""Tests that a usage limit makes one pause and that a budget stops a run before the next phase."""

from __future__ import annotations

from itertools import accumulate, pairwise
from pathlib import Path

import pytest

from concertmaster.engine.journal import Journal
from concertmaster.events import Event, PauseEnded, PhaseFailed, PhaseFinished
from concertmaster.files.run_folder import read_plan
from concertmaster.model import Outcome
from concertmaster.run.state import RunState
from concertmaster.run.state_machine import begin_run, handle
from concertmaster.settings.choices import Phase
from tests.commandline import Done, among_agents, concertmaster, write_prompt
from tests.conftest import Project

AGENTS = Path(__file__).parents[2] / "agents"
AGENTS_PHASES = (Phase.RESEARCH, Phase.IMPLEMENT, Phase.DOCUMENT, Phase.REVIEW)
EIGHT = tuple(f"task{number}" for number in range(8))
FOUR = EIGHT[:4]
TEN = (*EIGHT, "task8", "task9")

# All agents have begun before the first meets the limit, which ends three seconds later.
MEET_THE_LIMIT = """
echo {name} >> "$HOME/starts"
until test "$(wc -l < "$HOME/starts")" -ge {count}; do sleep 0.02; done
( set -C; expr "$(date +%s)" + 3 > "$HOME/reset" ) 2>> /dev/null || until test -s "$HOME/reset"
do sleep 0.02; done
"""
WORK = "echo {name} > {name}.txt\n"
LIMIT = 'if test "$TURN" = 1; then echo "limit $(cat "$HOME/reset")" >> "$ORDERS"; fi\n'

# Every turn costs a dollar, also that of the research phase.
SPEND = """
echo "cost 1" >> "$ORDERS"
echo {name} >> "$HOME/starts"
if head -n 1 "$PROMPT_FILE" | grep -q "Find out how the task"; then
  echo '```json'
  echo '{{"steps": ["write it"], "paths": ["{name}.txt"]}}'
  echo '```'
else
  echo {name} > {name}.txt
fi
"""


def do(project: Project, home: Path, *arguments: str) -> Done:
    home.mkdir(exist_ok=True)
    return concertmaster(
        *(*arguments, "--json"),
        cwd=project.root,
        env=among_agents(home),
    )


def run(project: Project, home: Path, names: tuple[str, ...], script: str, *more: str) -> Done:
    for name in names:
        text = script.format(name=name, count=len(names))
        write_prompt(project, name, text, head=f"touches: [{name}.txt]")
    project.git("add", "--all")
    project.git("commit", "--quiet", "-m", "Prompts")
    prompts = [f"prompts/{name}.md" for name in names]
    return do(project, home, "run", *prompts, "--agent", "claude", "--check", "true", *more)


def story(project: Project) -> list[tuple[Event, RunState]]:
    """Return every event of the only run, with the state after it."""
    (folder,) = (project.root / ".git/concertmaster/runs").iterdir()
    state, told = begin_run(read_plan(folder)), list[tuple[Event, RunState]]()
    for event in Journal(folder / "journal.jsonl").read():
        state, _ = handle(state, event)
        told.append((event, state))
    return told


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(LIMIT + WORK, id="nothing done", marks=pytest.mark.matrix),
        pytest.param(WORK + LIMIT, id="all done", marks=pytest.mark.matrix),
    ],
)
def test_eight_tasks_that_meet_a_limit_at_once_make_one_pause_and_all_land(
    project: Project, tmp_path: Path, script: str
) -> None:
    script = f'if test "$TURN" = 1; then {MEET_THE_LIMIT}fi\n{script}'

    done = run(
        project, tmp_path / "home", EIGHT, script, "--parallel", "8", "--phases", "implement"
    )

    assert done.code == 0, done.out + done.err
    tasks = done.document["tasks"]
    assert [(task["state"], len(task["attempts"])) for task in tasks] == [("landed", 1)] * 8
    told = story(project)
    limited = [e for e, _ in told if isinstance(e, PhaseFailed)]
    assert [event.outcome for event in limited] == [Outcome.LIMITED] * 8
    began = [not b.paused_until and bool(n.paused_until) for (_, b), (_, n) in pairwise(told)]
    assert began.count(True) == 1
    reset = float((tmp_path / "home" / "reset").read_text())
    assert max(event.at for event, _ in told if isinstance(event, PauseEnded)) >= reset
    after = [e.at for e, _ in told if isinstance(e, PhaseFinished) and e.phase is Phase.IMPLEMENT]
    assert min(after) >= reset


@pytest.mark.matrix
def test_a_rejected_key_stops_the_run_and_spends_no_attempt(
    project: Project, tmp_path: Path
) -> None:
    script = """
echo {name} >> "$HOME/starts"
test -e "$HOME/good-key" || echo reject >> "$ORDERS"
echo {name} > {name}.txt
"""
    home = tmp_path / "home"

    stopped = run(project, home, TEN, script, "--parallel", "4", "--phases", "implement")

    assert stopped.code == 4, stopped.out + stopped.err
    report = stopped.document
    starts = (home / "starts").read_text().split()
    assert len(set(starts)) == len(starts) <= 4
    reason = report["reason"]
    assert "no access to its model: authentication_failed: Invalid API key" in reason
    outcomes = {attempt["outcome"] for task in report["tasks"] for attempt in task["attempts"]}
    assert outcomes == {"no_access"}
    assert {task["state"] for task in report["tasks"]} == {"waiting"}

    (home / "good-key").touch()
    resumed = do(project, home, "resume", report["run"])
    assert resumed.code == 0, resumed.out + resumed.err
    tried = [len(task["attempts"]) for task in resumed.document["tasks"]]
    assert sum(tried) == 10 + len(starts)


@pytest.mark.matrix
def test_a_used_up_budget_lets_no_task_begin_another_phase_and_resume_goes_on(
    project: Project, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    options = ("--parallel", "3", "--phases", "research,implement", "--budget", "1")

    stopped = run(project, home, FOUR, SPEND, *options)

    assert stopped.code == 4, stopped.out + stopped.err
    answered = [e for e, _ in story(project) if isinstance(e, PhaseFinished)]
    paid = [event for event in answered if event.phase in AGENTS_PHASES]
    spent = list(accumulate(event.usage.cost_usd or 0.0 for event in paid))
    beyond = [event.task for event, sum_usd in zip(paid, spent, strict=True) if sum_usd > 1]
    assert len(beyond) == len(set(beyond)) < 3
    assert len((home / "starts").read_text().split()) == len(paid)

    report = stopped.document
    assert do(project, home, "clean").document["runs"] == []
    assert do(project, home, "resume", report["run"]).code == 4
    resumed = do(project, home, "resume", report["run"], "--budget", "100")

    assert resumed.code == 0, resumed.out + resumed.err
    tasks = resumed.document["tasks"]
    assert [(task["state"], len(task["attempts"])) for task in tasks] == [("landed", 1)] * 4
    assert sorted((home / "starts").read_text().split()) == sorted(FOUR * 2)


@pytest.mark.matrix
def test_a_stopped_run_can_be_given_up(project: Project, tmp_path: Path) -> None:
    home = tmp_path / "home"
    options = ("--parallel", "1", "--phases", "research,implement", "--budget", "1")
    ended = run(project, home, FOUR, SPEND, *options).document["run"]
    kept = do(project, home, "clean").document["kept"]
    assert [f"run {ended}", f"it can go on: concertmaster resume {ended}"] in kept

    assert do(project, home, "cancel").document["answer"] == "is cancelled"

    assert do(project, home, "clean").document["runs"] == [ended]
    assert do(project, home, "cancel").code == 2


@pytest.mark.matrix
def test_a_turn_that_broke_off_and_was_tried_again_has_its_price_too(
    project: Project, tmp_path: Path
) -> None:
    script = 'if test "$TURN" = 1; then echo overload >> "$ORDERS"; fi\n' + WORK

    done = run(
        project, tmp_path / "home", ("task0",), script, "--phases", "implement", "--agent", "gemini"
    )

    assert done.code == 0, done.out + done.err
    assert done.document["input_tokens"] == 2000
