"""Tests the words for the machine on which a task failed, and for what a person can do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from concertmaster.landing.fault import LandingFault
from concertmaster.model import MachineState, Outcome, TaskState
from concertmaster.rounds.failure_words import advise, describe_machine
from tests.rendering import faults
from tests.unit.comments.test_pull_request import FAILED

MACHINE = MachineState(
    memory_bytes=3 << 30,
    disk_bytes=5 << 29,
    load=3.25,
    processors=4,
    versions=("git 2.47.1", "Python 3.12.3"),
)


@pytest.mark.parametrize(
    ("machine", "told"),
    [
        (
            MACHINE,
            (
                "3.0 GiB of memory free, 2.5 GiB of disk free; load 3.2 on 4 processors; "
                "git 2.47.1, Python 3.12.3"
            ),
        ),
        (replace(MACHINE, memory_bytes=None, load=None, versions=()), "2.5 GiB of disk free"),
        (MachineState(load=0.5), "load 0.5"),
        (MachineState(), "not known"),
        (None, "not known"),
    ],
)
def test_the_machine_is_told_as_far_as_it_was_measured(
    machine: MachineState | None, told: str
) -> None:
    assert describe_machine(machine) == told


def test_versions_from_a_forged_artifact_are_bounded_and_inert() -> None:
    versions = ("\n# @octo <!-- x -->" + "y" * 5000, *("z",) * 10_000)
    told = describe_machine(replace(MACHINE, versions=versions))

    assert faults(told) == []
    assert len(told) < 1000
    assert "\n" not in told


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"outcome": Outcome.TIMED_OUT}, "`timeout`"),
        ({"outcome": Outcome.NO_ACCESS}, "secrets"),
        ({"outcome": Outcome.LOST}, "log"),
        ({"outcome": Outcome.FAILED}, "prompt"),
        ({"outcome": None}, "prompt"),
        ({"outcome": Outcome.REFUSED, "fault": LandingFault.REFUSED}, "`touches`"),
        ({"state": TaskState.LEFT_OUT, "fault": LandingFault.CULPRIT}, "why the check fails"),
        ({"state": TaskState.LEFT_OUT, "fault": LandingFault.CONFLICT}, "what conflicts"),
        ({"state": TaskState.BLOCKED}, "that it needs"),
    ],
)
def test_the_advice_depends_on_the_kind_of_failure(changed: dict[str, Any], told: str) -> None:
    assert told in advise(replace(FAILED, **changed))
