"""A run whose tasks collide comes to the same end, wherever its process is killed.

The later task goes on behind the earlier one, or what does not merge is mended.
"""

from __future__ import annotations

import shutil
import signal
from itertools import count

import pytest

from concertmaster.events import MergeConflicted
from concertmaster.model import Outcome
from concertmaster.run.notices import NoticeKind
from concertmaster.settings.choices import Radar
from tests.conftest import wait_until
from tests.crash.conftest import MakeWorld
from tests.crash.world import COLLIDING, World, living

both = pytest.mark.parametrize("radar", list(Radar))


def arguments(world: World, radar: Radar) -> list[str]:
    return [*world.run_arguments(*COLLIDING, slots=2), "--radar", radar]


def check_end(world: World, code: int, radar: Radar) -> None:
    assert code == 0, world.output()
    assert world.git("show", "main:shared.txt").startswith("line 0 first second\nline 1\n")
    run = world.last_run()
    first, second = run.state.tasks.values()
    assert first.state == second.state == "landed"
    repairs = [a for one in (first, second) for a in one.attempts if a.repair is not None]
    yielded = [one.tasks for one in run.state.notices if one.kind is NoticeKind.YIELDED]
    conflicts = [event for event in run.events if isinstance(event, MergeConflicted)]
    if radar is Radar.OBSERVE:
        assert (len(repairs), yielded) == (1, [])
        assert conflicts
        return
    assert (repairs, conflicts) == ([], [])
    assert yielded == [(second.task.id, first.task.id)]
    assert len(first.attempts) == 1
    assert [one.outcome for one in second.attempts] == [Outcome.YIELDED, Outcome.SUCCEEDED]
    assert [built.task for built in second.attempts[-1].built_on] == [first.task.id]
    assert not world.attempts, "an attempt's folder is left"


@pytest.mark.matrix
@both
def test_tasks_that_change_the_same_line_both_land(world: World, radar: Radar) -> None:
    check_end(world, world.do(*arguments(world, radar)), radar)

    told = "goes on behind first-" if radar is Radar.HOLD else "does not merge"
    assert told in world.output()


@pytest.mark.crash
@both
def test_killed_after_any_event_both_land(
    make_world: MakeWorld, subtests: pytest.Subtests, radar: Radar
) -> None:
    step = 1 if radar is Radar.HOLD else 3  # other sweeps kill runs that repair, too
    for after in count(1, step):
        world = make_world()
        with subtests.test(after=after):
            code = world.do_until_killed(arguments(world, radar), after=after, counts_all=True)
            if code == 0:
                return
            assert code == -signal.SIGKILL
            wait_until(lambda: not living())
            check_end(world, world.do("resume", world.last_run().name), radar)
            shutil.rmtree(world.folder)
