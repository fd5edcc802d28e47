"""A run whose prediction is wrong decides the same, wherever its process is killed."""

from __future__ import annotations

import shutil
import signal
from dataclasses import dataclass
from itertools import count

import pytest

from concertmaster.run.notices import NoticeKind
from tests.conftest import wait_until
from tests.crash.conftest import MakeWorld
from tests.crash.world import MISTAKEN, Run, World, living


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What the run has decided; tasks are called by the names of their prompts."""

    states: dict[str, str]
    notices: set[tuple[NoticeKind, tuple[str, ...]]]
    bases: dict[str, set[str]]

    @classmethod
    def see(cls, run: Run) -> Decisions:
        records = run.state.tasks
        return cls(
            states={name(key): one.state for key, one in records.items()},
            notices={(one.kind, (*map(name, one.tasks),)) for one in run.state.notices},
            bases={
                name(key): {name(built.task) for built in one.attempt.built_on}
                for key, one in records.items()
                if one.attempt
            },
        )


def name(task: str) -> str:
    return task.rpartition("-")[0]


EXPECTED = Decisions(
    states=dict.fromkeys(MISTAKEN, "landed"),
    notices={
        (NoticeKind.KEPT_APART, ("late", "wide")),
        (NoticeKind.RELEASED, ("held", "wide")),
    },
    bases={"wide": set(), "filler": set(), "held": set(), "late": {"wide"}},
)


def arguments(world: World) -> list[str]:
    return world.run_arguments(*MISTAKEN, slots=2)


def check_end(world: World, code: int) -> None:
    assert code == 0, world.output()
    assert Decisions.see(world.last_run()) == EXPECTED
    assert world.git("show", "main:y.txt") == "wide\nlate"


@pytest.mark.matrix
def test_what_would_collide_waits_and_what_was_held_for_nothing_starts(world: World) -> None:
    check_end(world, world.do(*arguments(world)))

    told = world.output()
    assert "  waits for wide-" in told
    assert "  need not wait for wide-" in told


@pytest.mark.crash
def test_killed_after_any_event_it_decides_the_same(
    make_world: MakeWorld, subtests: pytest.Subtests
) -> None:
    for after in count(1):
        world = make_world()
        with subtests.test(after=after):
            code = world.do_until_killed(arguments(world), after=after, counts_all=True)
            if code == 0:
                return
            assert code == -signal.SIGKILL
            wait_until(lambda: not living())
            check_end(world, world.do("resume", world.last_run().name))
            shutil.rmtree(world.folder)
