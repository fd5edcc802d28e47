"""RunWatcher shows each change of a run in the terminal until the run ends."""

from __future__ import annotations

import io

from concertmaster.report.github_run import GitHubState
from concertmaster.terminal.console import Console
from tests.action.watching import Stage, nothing
from tests.github.faults import Effect, Fault
from tests.journals import HOSTILE

pytest_plugins = ["tests.action.watch_fixtures"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_it_ends_when_all_children_are_closed(stage: Stage) -> None:
    *_, last = stage.follow(nothing, stage.finish)
    assert (last.is_over, last.has_landed) == (True, True)


def test_it_ends_when_the_parent_is_closed(stage: Stage) -> None:
    close = stage.double.close
    *_, last = stage.follow(nothing, lambda: close(stage.parent, user=stage.user))
    assert (last.is_over, last.has_landed) == (True, False)


def test_only_changes_are_told(stage: Stage) -> None:
    double, run = stage.double, stage.run
    views = [
        *stage.follow(
            nothing,
            nothing,
            lambda: double.set_job(
                run, "orchestrate / work (1)", status="completed", conclusion="success"
            ),
            stage.finish,
        )
    ]
    assert [view.tasks[0].standing for view in views] == [
        GitHubState.RUNNING,
        GitHubState.RUNNING,
        GitHubState.LANDED,
    ]


def test_pauses_grow_to_a_minute_and_shrink_when_something_happens(stage: Stage) -> None:
    apple = stage.children[0]
    scenes = [nothing] * 5 + [lambda: stage.label(apple, "landed"), nothing, stage.finish]

    assert [*stage.follow(*scenes)][-1].is_over

    assert stage.clock.slept == [10, 20, 40, 60, 60, 60, 10, 20]


def test_a_pipe_gets_a_line_for_each_change_and_the_table_at_the_end(stage: Stage) -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    console = Console(stdout, stderr, terminal=False, json=False)
    watcher = stage.watcher(console)
    apple = stage.children[0]
    stage.clock.scenes[:] = [lambda: stage.label(apple, "landed"), stage.finish]

    console.show_view(watcher.stay(interval_seconds=10), now=stage.clock.now())

    lines = stderr.getvalue().splitlines()
    assert len(lines) == 5 + 1 + 3
    assert lines[0].startswith("run i1-c")
    assert " landed " in lines[5]
    assert stdout.getvalue().count(" landed ") == 3
    assert "3 tasks, 3 landed; " in stdout.getvalue()
    assert "s, over" in stdout.getvalue()


def test_a_terminal_gets_a_live_table(stage: Stage) -> None:
    stdout, stderr = Terminal(), Terminal()
    console = Console(stdout, stderr, terminal=True, json=False)
    stage.clock.scenes[:] = [stage.finish]
    stage.double.fail(Fault(effect=Effect.SECONDARY_LIMIT, path="*/jobs", nth=2))
    stage.clock.scenes.append(nothing)

    view = stage.watcher(console).stay(interval_seconds=10)

    assert view.has_landed
    assert view.run in stderr.getvalue()
    assert "secondary rate limit" in stderr.getvalue()
    assert stdout.getvalue() == ""


def test_hostile_titles_do_nothing_to_the_terminal(stage: Stage) -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    console = Console(stdout, stderr, terminal=False, json=False)
    watcher = stage.watcher(console)
    for issue in (*stage.children, stage.parent):
        issue.title = HOSTILE

    console.show_view(watcher.look(), now=0.0)

    assert len(stdout.getvalue().splitlines()) == 6
    assert not {"\x1b", "\u202e", "\u200b"} & set(stdout.getvalue())
