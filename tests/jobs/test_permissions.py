"""A job that may do less than the workflow declares says what it lacks, and the line to add."""

from __future__ import annotations

from pathlib import Path

import pytest

from concertmaster.engine.control import control
from concertmaster.engine.finalize import finalize
from concertmaster.engine.plan import plan
from concertmaster.engine.verify import verify
from concertmaster.engine.work import work
from concertmaster.errors import Error
from tests.github.double import Double
from tests.jobs import house as houses
from tests.jobs.house import PERMISSIONS, House, Round

JOBS = {"plan": plan, "work": work, "verify": verify, "control": control, "finalize": finalize}
BEFORE = ("plan", "work", "verify", "finalize")
WEAKER = [
    (job, permission, declared, given)
    for job, permissions in PERMISSIONS.items()
    for permission, declared in permissions.items()
    for given in ("read", "none")
    if given != declared
]
# Nothing in a job's ordinary way asks for it: said where it is asked for.
BY_STATUS = ("control", "actions")


@pytest.fixture
def house(double: Double, tmp_path: Path) -> House:
    """A private repository: in a public one everybody may read."""
    prompts = {"pear": "write pear.txt pear", "plum": "append pear.txt plum", "fig": "fail"}
    house = House.build(double, tmp_path, prompts)
    house.repository.private = True
    return house


def come_to(job: str, house: House) -> Round:
    """All that is before this job in its workflow has gone well."""
    issue = house.open_issue("pear", "fig")
    if job == "control":
        house.ask(issue).plan()
        return house.ask(issue, "/orchestrate cancel")
    held = house.ask(issue)
    for name in BEFORE[: BEFORE.index(job)]:
        getattr(held, name)()
    return held


def told_by(job: str, held: Round) -> str:
    """What the job says in the log and on its page."""
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


@pytest.mark.parametrize(("job", "permission", "declared", "given"), WEAKER)
def test_a_job_that_lacks_a_permission_names_the_line_to_add(
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    job: str,
    permission: str,
    declared: str,
    given: str,
) -> None:
    held = come_to(job, house)
    monkeypatch.setitem(houses.PERMISSIONS, job, {**PERMISSIONS[job], permission: given})
    told = told_by(job, held)
    lines = [f"`{permission.replace('_', '-')}: {level}`" for level in ("read", "write")]
    assert any(line in told for line in lines), told
