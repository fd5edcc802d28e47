"""Builds plans and journals for tests of what reads them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from concertmaster.events import (
    BaseChecked,
    BatchChecked,
    BatchLanded,
    Event,
    PhaseFailed,
    PhaseFinished,
    RunFinished,
    RunStarted,
    WorkKept,
)
from concertmaster.model import (
    Built,
    Exclusion,
    FootprintEntry,
    Need,
    Outcome,
    Plan,
    RunSettings,
    Skipped,
    Task,
    Usage,
)
from concertmaster.report.build import build_report
from concertmaster.report.model import Report
from concertmaster.run import state_machine
from concertmaster.run.state import RunState
from concertmaster.settings.choices import LEAN_PHASES, LandingMode, Phase

RUN = "20260101-120000-ab12"
START = 1_767_268_800.0
HOSTILE = 'a\x1b[31m<script>alert(1)</script>\u202e\u200b{{ 7*7 }}\n[bold]"b"'


def make_task(key: str, *, title: str = "", paths: Iterable[str] = ()) -> Task:
    return Task(
        id=key,
        prompt=f"prompts/{key}.md",
        blob="0" * 40,
        title=title or f"Title of {key}",
        estimate_seconds=60.0,
        footprint=tuple(
            FootprintEntry(path=path, probability=0.9, reason="named in the text") for path in paths
        ),
    )


def make_plan(
    *,
    tasks: Iterable[Task] = (),
    landing: LandingMode = LandingMode.MERGE,
    budget: float | None = None,
) -> Plan:
    """Return a plan, by default of three tasks.

    Of these, `two` may not run beside `one`, and `three` needs `one`.
    """
    standard = (
        make_task("one", paths=["src/a.py", "src/b.py"]),
        make_task("two", paths=["src/a.py"]),
        make_task("three"),
    )
    chosen = tuple(tasks)
    plan = Plan(
        run=RUN,
        base="b" * 40,
        target="main",
        slots=3,
        settings=RunSettings(
            agent="command",
            check="make check",
            landing=landing,
            budget_usd=budget,
            repairs=0,
            longest_pause_seconds=0.0,
        ),
        tasks=chosen or standard,
        order=tuple(task.id for task in chosen or standard),
        skipped=(Skipped(prompt="prompts/old.md", task="old", reason="marked implemented"),),
        notes=("a note of the plan",),
        makespan_seconds=120.0,
        lower_bound_seconds=120.0,
        sequential_seconds=180.0,
    )
    if chosen:
        return plan
    reason = "both are likely to change src/a.py"
    return replace(
        plan,
        needs=(Need(task="three", on="one", hard=True, reason="three.md says needs: one.md"),),
        exclusions=(Exclusion(tasks=("one", "two"), probability=0.62, reason=reason),),
    )


def begin(*, red: str = "") -> tuple[Event, ...]:
    """Return the start of a run and the check of its base two seconds later.

    `red` is the reason why the check fails, if it does.
    """
    checked = BaseChecked(
        tree="t0", passed=not red, reason=red, seconds=2.0, tip="b" * 40, at=START + 2
    )
    return (RunStarted(run=RUN, at=START), checked)


def succeed(
    task: str,
    *,
    at: float,
    attempt: int = 1,
    seconds: float = 1.0,
    cost: float | None = None,
    sensitive: tuple[str, ...] = (),
    built_on: tuple[Built, ...] = (),
    follow_ups: tuple[str, ...] = (),
    estimated: bool = False,
) -> tuple[Event, ...]:
    """Return the four lean phases in a row; the first begins `at` seconds into the run."""
    return tuple(
        PhaseFinished(
            task=task,
            attempt=attempt,
            phase=phase,
            seconds=seconds,
            checkpoint=f"{task}-{phase}",
            folder=f"/srv/{task}",
            built_on=built_on if phase is Phase.PREPARE else (),
            sensitive=sensitive if phase is Phase.DELIVER else (),
            follow_ups=follow_ups if phase is Phase.IMPLEMENT else (),
            session=f"session-of-{task}" if phase is Phase.IMPLEMENT else "",
            usage=Usage(cost_usd=cost, input_tokens=1200, output_tokens=10, is_estimated=estimated)
            if phase is Phase.IMPLEMENT
            else Usage(),
            at=START + at + seconds * number,
        )
        for number, phase in enumerate(LEAN_PHASES, 1)
    )


def fail(
    task: str,
    *,
    at: float,
    attempt: int = 1,
    outcome: Outcome = Outcome.FAILED,
    reason: str = "it broke",
    saved: str = "",
) -> PhaseFailed:
    return PhaseFailed(
        task=task,
        attempt=attempt,
        phase=Phase.IMPLEMENT,
        seconds=1.0,
        outcome=outcome,
        reason=reason,
        saved=saved,
        at=START + at,
    )


def check(*tasks: str, at: float, passed: bool, cached: bool = False) -> BatchChecked:
    return BatchChecked(
        tasks=tasks,
        tip="b" * 40,
        commit="c" * 40,
        tree="-".join(("tree", *tasks)),
        passed=passed,
        reason="" if passed else "test_colour fails",
        seconds=0.0 if cached else 2.0,
        cached=cached,
        at=START + at,
    )


def land(*tasks: str, at: float, branch: str = "", reason: str = "") -> BatchLanded:
    return BatchLanded(
        tasks=tasks,
        tip="b" * 40,
        commit="c" * 40,
        branch=branch,
        reason=reason,
        at=START + at,
    )


def keep(task: str, *, at: float) -> WorkKept:
    return WorkKept(
        task=task, branch=f"concertmaster/{RUN}/{task}", commit=f"{task}-head", at=START + at
    )


def finish(*, at: float) -> RunFinished:
    return RunFinished(at=START + at)


def one_lands_two_breaks_the_check() -> tuple[Event, ...]:
    """Return a run that lands `one`; `two` is a culprit, `three` a no-op."""
    nothing = PhaseFinished(
        task="three",
        attempt=1,
        phase=Phase.IMPLEMENT,
        seconds=1.0,
        no_op="it is there already",
        at=START + 10,
    )
    return (
        *begin(),
        *succeed("one", at=2, cost=0.5, sensitive=("Makefile",)),
        check("one", at=8, passed=True),
        land("one", at=8.5),
        succeed("three", at=8)[0],
        nothing,
        *succeed("two", at=8.5, seconds=1.5, cost=0.25),
        check("two", at=16, passed=False),
        check("two", at=18, passed=False),
        check("two", at=20, passed=False, cached=True),
        keep("two", at=20.5),
        finish(at=22),
    )


def tell_story(plan: Plan, events: Iterable[Event]) -> tuple[RunState, Report]:
    told = tuple(events)
    state = state_machine.fold_events(plan, told)
    return state, build_report(state, told)
