"""Tests that a job with too few permissions names the missing one and the line to add."""

from __future__ import annotations

from pathlib import Path

import pytest

from concertmaster.action.control import control
from concertmaster.action.finalize.job import finalize
from concertmaster.action.plan.job import plan
from concertmaster.action.verify import verify
from concertmaster.action.work import work
from concertmaster.errors import Error
from tests.action import rounds as houses
from tests.action.pulls import Orchard
from tests.action.rounds import PERMISSIONS, House, Round
from tests.github.double import Double

JOBS = {"plan": plan, "work": work, "verify": verify, "control": control, "finalize": finalize}
BEFORE = ("plan", "work", "verify", "finalize")
WEAKER = [
    (job, permission, given)
    for job, permissions in PERMISSIONS.items()
    for permission, declared in permissions.items()
    for given in ("read", "none")
    if given != declared
]


@pytest.fixture
def house(double: Double, tmp_path: Path) -> House:
    """A private repository, because anyone may read a public one."""
    prompts = {"pear": "write pear.txt pear", "plum": "append pear.txt plum", "fig": "fail"}
    house = House.build(double, tmp_path, prompts)
    house.repository.private = True
    return house


def come_to(job: str, permission: str, house: House) -> Round:
    """Run all jobs before this one, up to where it needs the permission."""
    if (job, permission) == ("plan", "pull_requests"):  # it reads those that are to land
        orchard = Orchard(house)
        return orchard.ask(orchard.propose("pear", {"pear.txt": "a pear\n"}))
    issue = house.open_issue("pear", "fig")
    held = house.ask(issue)
    if job == "control":
        held.plan()
        is_reading = permission == "contents"
        hour = {"schedule": "17 * * * *"}
        return (
            house.start("schedule", hour) if is_reading else house.ask(issue, "/orchestrate cancel")
        )
    for name in BEFORE[: BEFORE.index(job)]:
        getattr(held, name)()
    if permission == "actions":  # a moved target makes finalize begin another round
        house.double.commit(house.repository, "main", {"moved.txt": "moved\n"})
    return held


def told_by(job: str, held: Round) -> str:
    """Return what the job says in the log and on its summary page."""
    said = len(held.said)
    summary = held.workflow.folder / "summary.md"
    before = len(summary.read_text()) if summary.exists() else 0
    error = ""
    try:
        JOBS[job](held.job(job))
    except Error as raised:
        error = f"{raised.what} {raised.why} {raised.next_step}"
    shown = summary.read_text()[before:] if summary.exists() else ""
    return f"{error} {held.said[said:]} {shown}"


# One weakened permission of each job; `make matrix` weakens the others.
FIRST = [next(one for one in WEAKER if one[0] == job) for job in JOBS]


@pytest.mark.parametrize(
    ("job", "permission", "given"),
    [
        pytest.param(*one, marks=() if one in FIRST else pytest.mark.matrix, id="-".join(one))
        for one in WEAKER
    ],
)
def test_a_job_that_lacks_a_permission_names_the_line_to_add(
    house: House, monkeypatch: pytest.MonkeyPatch, job: str, permission: str, given: str
) -> None:
    held = come_to(job, permission, house)
    declared = PERMISSIONS[job][permission]
    monkeypatch.setitem(houses.PERMISSIONS, job, {**PERMISSIONS[job], permission: given})
    told = told_by(job, held)
    enough = {declared} if given == "read" else {declared, "read"}  # it may name `read` first
    assert any(f"`{permission.replace('_', '-')}: {level}`" in told for level in enough), told
