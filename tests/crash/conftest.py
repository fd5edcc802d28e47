"""Fixtures of the crash tests: a template repository and the result of an undisturbed run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from tests.conftest import set_home, wait_until
from tests.crash.world import World, adopt_orphans, living, make_template

MakeWorld = Callable[[], World]


@dataclass(frozen=True, kw_only=True)
class Undisturbed:
    """The result that every run must reach; attempts and states are by task."""

    code: int
    tree: str
    states: dict[str, str]
    attempts: dict[str, int]
    events: int

    @classmethod
    def see(cls, world: World, code: int) -> Undisturbed:
        run = world.last_run()
        return cls(
            code=code,
            tree=world.tree,
            states={key: task.state for key, task in run.state.tasks.items()},
            attempts={key: len(task.attempts) for key, task in run.state.tasks.items()},
            events=len(run.events),
        )


@pytest.fixture(autouse=True)
def _all_processes_in_sight() -> Iterator[None]:
    with adopt_orphans():
        yield


@contextmanager
def own_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Set up HOME and orphans for session fixtures, which run before the fixtures of a test."""
    with pytest.MonkeyPatch.context() as patch, adopt_orphans():
        set_home(tmp_path_factory.mktemp("home"), patch)
        yield


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "project"
    with own_machine(tmp_path_factory):
        make_template(folder)
    return folder


@pytest.fixture
def make_world(tmp_path: Path, template: Path) -> MakeWorld:
    numbers = count(1)
    return lambda: World.make(tmp_path / str(next(numbers)), template=template)


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Undisturbed:
    world = World.make(tmp_path_factory.mktemp("undisturbed"), template=template)
    with own_machine(tmp_path_factory):
        code = world.do(*world.run_arguments())
        wait_until(lambda: not living())
    return Undisturbed.see(world, code)
