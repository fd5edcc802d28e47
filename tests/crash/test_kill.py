"""Resume after SIGKILL at any event leads to the same result as an undisturbed run."""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import pytest

from concertmaster.events import FootprintObserved
from concertmaster.settings.choices import Phase
from tests.conftest import wait_until
from tests.crash.conftest import MakeWorld, Undisturbed
from tests.crash.world import Asked, Run, World, living

SHORT_STEP = 23


@dataclass(frozen=True, kw_only=True)
class Wreck:
    """The state after a kill; `half_done` are phases whose agent had written half of its work."""

    run: Run
    starts: list[str]
    checks: list[str]
    half_done: set[Asked]

    @classmethod
    def see(cls, world: World) -> Wreck:
        run = world.last_run()
        begun = run.asked(world.notes("halves"), Phase.IMPLEMENT)
        return cls(
            run=run,
            starts=world.notes("starts"),
            checks=world.notes("checks"),
            half_done=set(begun) - set(run.answered),
        )


def check_end(world: World, undisturbed: Undisturbed, *, code: int) -> None:
    assert "Traceback" not in world.output()
    run = world.last_run()
    found = Undisturbed.see(world, code)
    assert (found.code, found.states) == (undisturbed.code, undisturbed.states)
    assert found.attempts == undisturbed.attempts
    assert found.tree == undisturbed.tree
    kept = world.git("branch", "--list", "--format=%(refname)", "concertmaster/*")
    assert kept == f"refs/heads/concertmaster/{run.name}/{find_task(run, 'stubborn')}"
    assert "stubborn.txt" in world.git("ls-tree", "--name-only", kept)
    assert not world.attempts, "an attempt's folder is left"
    wait_until(lambda: not living())


def find_task(run: Run, name: str) -> str:
    return next(task for task in run.state.tasks if task.startswith(f"{name}-"))


def check_nothing_was_repeated(world: World, wreck: Wreck) -> None:
    run = world.last_run()
    assert [phase for phase, times in Counter(run.answered).items() if times > 1] == []
    started = run.asked(world.notes("starts")[len(wreck.starts) :], Phase.IMPLEMENT)
    checked = run.asked(world.notes("checks")[len(wreck.checks) :], Phase.TEST)
    assert not set(wreck.run.answered) & {*started, *checked}


def check_half_done_work_is_saved(world: World, wreck: Wreck) -> None:
    assert wreck.half_done <= world.saved_half_done(world.last_run())


def check_recovery(
    world: World,
    undisturbed: Undisturbed,
    *,
    after: int,
    torn: bool,
    again_after: int = 0,
    options: Sequence[str] = (),
) -> bool:
    """Kill the run, resume it and check the result; return False if it ended before the kill.

    With a torn line the run is resumed while processes of the killed run may still live.
    """
    before = world.users_own()
    arguments = [*world.run_arguments(), *options]
    code = world.do_until_killed(arguments, after=after, torn=torn)
    if code == undisturbed.code:
        return False
    assert code == -signal.SIGKILL
    if not torn:
        wait_until(lambda: not living())
    wrecks = [Wreck.see(world)]
    counted = [e for e in wrecks[0].run.events if not isinstance(e, FootprintObserved)]
    assert len(counted) == after - torn
    resume = ["resume", wrecks[0].run.name]
    if again_after:
        again = world.do_until_killed(resume, after=again_after, torn=torn)
        assert again in (-signal.SIGKILL, undisturbed.code)
        wrecks.append(Wreck.see(world))
    check_end(world, undisturbed, code=world.do(*resume))
    for wreck in wrecks:
        check_nothing_was_repeated(world, wreck)
        check_half_done_work_is_saved(world, wreck)
    assert world.users_own() == before
    return True


def sweep(
    make_world: MakeWorld,
    undisturbed: Undisturbed,
    subtests: pytest.Subtests,
    *,
    step: int = 1,
    torn: bool = False,
    again: bool = False,
    options: Sequence[str] = (),
) -> None:
    """Check the recovery at every `step`-th event, until a run ends before its kill.

    `options` are further ones of the run.
    """
    for after in count(step, step):
        again_after = 1 + after % 6 if again else 0
        world = make_world()
        with subtests.test(after=after):
            if not check_recovery(
                world,
                undisturbed,
                after=after,
                torn=torn,
                again_after=again_after,
                options=options,
            ):
                return
            shutil.rmtree(world.folder)


@pytest.mark.crash
def test_killed_after_some_events_it_comes_to_the_same_end(
    make_world: MakeWorld, undisturbed: Undisturbed, subtests: pytest.Subtests
) -> None:
    sweep(make_world, undisturbed, subtests, step=SHORT_STEP)


@pytest.mark.crash
@pytest.mark.parametrize("shape", ["squash", "merge"])
def test_a_history_of_another_shape_comes_to_the_same_end(
    make_world: MakeWorld, undisturbed: Undisturbed, subtests: pytest.Subtests, shape: str
) -> None:
    sweep(make_world, undisturbed, subtests, step=SHORT_STEP, options=("--history", shape))


@pytest.mark.crash
def test_killed_after_any_event_it_comes_to_the_same_end(
    make_world: MakeWorld, undisturbed: Undisturbed, subtests: pytest.Subtests
) -> None:
    sweep(make_world, undisturbed, subtests)


@pytest.mark.crash
def test_killed_within_any_line_of_the_journal_it_comes_to_the_same_end(
    make_world: MakeWorld, undisturbed: Undisturbed, subtests: pytest.Subtests
) -> None:
    sweep(make_world, undisturbed, subtests, torn=True)


@pytest.mark.crash
def test_killed_again_while_it_resumes_it_comes_to_the_same_end(
    make_world: MakeWorld, undisturbed: Undisturbed, subtests: pytest.Subtests
) -> None:
    sweep(make_world, undisturbed, subtests, step=3, again=True)


@pytest.mark.crash
def test_killed_within_a_line_of_the_journal_it_comes_to_the_same_end(
    world: World, undisturbed: Undisturbed
) -> None:
    assert check_recovery(world, undisturbed, after=undisturbed.events // 2, torn=True)


@pytest.mark.crash
def test_killed_again_while_it_resumes_it_comes_to_the_same_end_at_once(
    world: World, undisturbed: Undisturbed
) -> None:
    assert check_recovery(world, undisturbed, after=12, torn=False, again_after=5)


@pytest.mark.crash
def test_a_run_that_has_ended_is_not_changed_by_another_resume(
    world: World, undisturbed: Undisturbed
) -> None:
    world.do(*world.run_arguments())
    refs, notes = world.git("for-each-ref"), world.notes("starts") + world.notes("checks")
    before, run = world.users_own(), world.last_run()
    check_end(world, undisturbed, code=world.do("resume", run.name))
    assert world.git("for-each-ref") == refs
    assert world.notes("starts") + world.notes("checks") == notes
    assert world.users_own() == before
