"""Makes plans for simulated runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from concertmaster.model import Exclusion, FootprintEntry, Need, Plan, RunSettings, Task
from concertmaster.settings.choices import LEAN_PHASES, LandingMode, Phase, Radar

BASE = "base"


def make_plan(
    tasks: Iterable[str],
    *,
    hard: Iterable[Sequence[str]] = (),
    soft: Iterable[Sequence[str]] = (),
    apart: Iterable[Sequence[str]] = (),
    slots: int = 8,
    attempts: int = 1,
    budget_usd: float | None = None,
    landing: LandingMode = LandingMode.MERGE,
    phases: tuple[Phase, ...] = LEAN_PHASES,
    fix_attempts: int = 3,
    repairs: int = 2,
    longest_pause_seconds: float | None = None,
    footprints: Mapping[str, Mapping[str, float]] | None = None,
    radar: Radar = Radar.OBSERVE,
) -> Plan:
    """Return a plan of tasks; "ba" or ("b", "a") in `hard` or `soft` is b after a.

    `footprints` are probabilities of paths by task.
    """
    entries = {task: _make_footprint(paths) for task, paths in (footprints or {}).items()}
    return Plan(
        run="run",
        base=BASE,
        target="main",
        slots=slots,
        settings=RunSettings(
            agent="command",
            attempts=attempts,
            budget_usd=budget_usd,
            landing=landing,
            phases=phases,
            fix_attempts=fix_attempts,
            repairs=repairs,
            longest_pause_seconds=longest_pause_seconds,
            radar=radar,
        ),
        tasks=tuple(
            Task(
                id=one,
                prompt=f"{one}.md",
                blob=one,
                title=one,
                estimate_seconds=60.0,
                footprint=entries.get(one, ()),
            )
            for one in tasks
        ),
        needs=tuple(
            Need(task=pair[0], on=pair[1], hard=is_hard, reason="said so")
            for pairs, is_hard in ((hard, True), (soft, False))
            for pair in pairs
        ),
        exclusions=tuple(
            Exclusion(tasks=(pair[0], pair[1]), probability=0.9, reason="x") for pair in apart
        ),
    )


def _make_footprint(paths: Mapping[str, float]) -> tuple[FootprintEntry, ...]:
    return tuple(
        FootprintEntry(path=path, probability=chance, reason="named")
        for path, chance in paths.items()
    )
