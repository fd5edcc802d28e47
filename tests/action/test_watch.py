"""A run on GitHub as somebody watches it from a terminal."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from concertmaster.action.plan.job import plan as run_plan
from concertmaster.errors import EnvironmentFault, UsageError
from concertmaster.github.issue_reference import IssueReference
from concertmaster.report.github_run import GitHubState, RunView
from concertmaster.settings import AccessSettings, load_access_settings
from concertmaster.terminal.console import Console
from concertmaster.watch.follow import RunWatcher, find_issue, follow_run
from concertmaster.watch.poller import RunPoller
from tests.action.workflow import BentClock, Workflow
from tests.commandline import Done, concertmaster
from tests.conftest import Project
from tests.github import tracker
from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.github.limits import Allowance
from tests.github.people import User
from tests.github.state import Issue, Repository, Run
from tests.journals import HOSTILE

LIST = "- prompts/apple.md\n- prompts/pear.md\n- prompts/plum.md\n"
FILE = ".github/workflows/orchestrate.yml"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Playing(BentClock):
    """Before each sleep the next thing happens."""

    scenes: list[Callable[[], object]] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        if not self.scenes:
            pytest.fail("nothing happens any more, and the watch goes on")
        self.scenes.pop(0)()
        BentClock.sleep(self, seconds)


@dataclass
class Stage:
    """A planned run, and who watches it: with a token of her own, which is not the workflow's."""

    double: Double
    repository: Repository
    run: Run
    user: User

    def __post_init__(self) -> None:
        self.token = self.double.user_token(self.user)
        self.clock = Playing(self.double.clock)
        self.said: list[str] = []

    def issue(self, title: str) -> Issue:
        return next(one for one in self.repository.issues.values() if one.title == title)

    @property
    def parent(self) -> Issue:
        return self.issue("Fruit")

    @property
    def children(self) -> list[Issue]:
        return [self.issue(f"Write {name}.txt") for name in ("apple", "pear", "plum")]

    def open(self, **given: Any) -> RunPoller:
        return RunPoller(
            **{
                "url": self.double.url,
                "repository": self.repository.full_name,
                "issue": self.parent.number,
                "token": self.token,
                "clock": self.clock,
                "told": self.said.append,
                **given,
            }
        )

    def lookout(self, console: Console) -> RunWatcher:
        address = IssueReference(repository=self.repository.full_name, number=self.parent.number)
        access = AccessSettings(GITHUB_TOKEN=self.token, GITHUB_API_URL=self.double.url)
        return RunWatcher(issue=address, access=access, console=console, clock=self.clock)

    def follow(self, *scenes: Callable[[], object]) -> Iterator[RunView]:
        self.clock.scenes[:] = scenes
        return follow_run(self.open(), self.clock, interval_seconds=10)

    def label(self, issue: Issue, standing: str) -> None:
        """As finalize does: the label of another standing goes."""
        with self.double.store.lock:
            names = ("concertmaster", f"concertmaster:{standing}")
            store, home = self.double.store, self.repository
            issue.labels = [tracker.find_or_make_label(store, home, name).id for name in names]

    def finish(self, standing: str = "landed") -> None:
        for issue in self.children:
            self.label(issue, standing)
            self.double.close(issue, user=self.user)

    def used(self) -> int:
        """Of the token's calls in this hour."""
        token = self.double.store.tokens[self.token]
        return int(self.double.limits.overview(token, "core")["used"])


@pytest.fixture
def stage(
    double: Double, repository: Repository, eve: User, comment: Callable[..., Workflow]
) -> Stage:
    run = double.add_run(repository, FILE, event="issue_comment", actor=eve)
    workflow = comment("/orchestrate", issue_body=LIST, number=run.id)
    assert run_plan(workflow.job(slots=1)) == 0
    double.set_job(run, "orchestrate / plan", status="completed", conclusion="success")
    double.set_job(run, "orchestrate / work (0)", status="in_progress")
    double.set_job(run, "orchestrate / work (1)", status="queued")
    return Stage(double=double, repository=repository, run=run, user=eve)


def standings(view: RunView) -> list[str]:
    return [task.standing.value for task in view.tasks]


def nothing() -> None:
    pass


# What is seen


def test_tasks_are_seen_with_their_issues_and_the_jobs_of_their_shares(stage: Stage) -> None:
    view = stage.open().look()

    assert [task.title for task in view.tasks] == [one.title for one in stage.children]
    assert [task.number for task in view.tasks] == [one.number for one in stage.children]
    assert standings(view) == ["queued"] * 3
    assert {task.job for task in view.tasks} == {"in progress", "queued"}
    pear, plum = view.tasks[1:]
    assert pear.share == plum.share, "plum needs pear"
    assert view.jobs == (("orchestrate / plan", "success"),)
    assert view.run.startswith(f"i{stage.parent.number}-c")
    assert not view.is_over


def test_an_issue_without_a_run_is_told_so(stage: Stage, double: Double) -> None:
    other = double.open_issue(stage.repository, user=stage.user, title="Vegetables")
    view = stage.open(issue=other.number).look()
    assert (view.run, view.tasks, view.is_over) == ("", (), False)


def test_hostile_titles_do_nothing_to_the_terminal(stage: Stage) -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    console = Console(stdout, stderr, terminal=False, json=False)
    lookout = stage.lookout(console)
    for issue in (*stage.children, stage.parent):
        issue.title = HOSTILE

    console.show_view(lookout.look(), now=0.0)

    assert len(stdout.getvalue().splitlines()) == 6
    assert not {"\x1b", "\u202e", "\u200b"} & set(stdout.getvalue())


def test_a_strangers_plan_and_a_strangers_issue_are_not_ours(stage: Stage) -> None:
    mallory = stage.double.add_user("Mallory")
    ours = next(one for one in stage.parent.comments if "kind=plan" in one.body)
    forged = ours.body.replace("run=", "run=forged-")
    stage.double.comment(stage.repository, stage.parent, user=mallory, body=forged)
    body = (stage.children[0].body or "").replace("task=", "task=forged-")
    stage.double.open_issue(stage.repository, user=mallory, title="Forged", body=body)

    view = stage.open().look()

    assert not view.run.startswith("forged")
    assert "Forged" not in [task.title for task in view.tasks]


# What it costs


def test_what_has_not_changed_costs_no_call_of_the_limit(stage: Stage) -> None:
    watch = stage.open()
    first = watch.look()
    used = stage.used()
    assert used > 0
    stage.double.log.clear()

    for _ in range(20):
        assert watch.look() == first

    assert stage.used() == used
    assert stage.double.log.cost() == 0
    assert {call.status for call in stage.double.log} == {304}
    assert not any(call.is_write for call in stage.double.log)


def test_a_changed_label_costs_one_call_and_is_seen(stage: Stage) -> None:
    watch = stage.open()
    watch.look()
    stage.double.log.clear()

    stage.label(stage.children[1], "running")

    assert standings(watch.look()) == ["queued", "running", "queued"]
    assert stage.double.log.cost() == 1
    assert standings(watch.look()) == ["queued", "running", "queued"]
    assert stage.double.log.cost() == 1


def test_a_list_that_changes_back_is_seen_to_change_back(stage: Stage) -> None:
    watch = stage.open()
    for standing in ("queued", "running", "queued", "queued", "running"):
        stage.label(stage.children[0], standing)
        assert standings(watch.look())[0] == standing


def test_a_change_behind_the_first_page_is_seen(stage: Stage) -> None:
    for _ in range(120):
        stage.double.comment(stage.repository, stage.parent, user=stage.user, body="me too")
    bot = stage.double.store.actions_app.bot
    watch = stage.open()
    run = watch.look().run

    text = f"<!-- concertmaster run={run} kind=report -->\nDone"
    written = stage.double.comment(stage.repository, stage.parent, user=bot, body="…")
    watch.look()
    stage.double.log.clear()
    written.body = text

    assert watch.look().report.endswith(f"#issuecomment-{written.id}")
    assert stage.double.log.cost() == 1


# What goes wrong


def test_a_deleted_issue_is_missing_and_the_watch_goes_on(stage: Stage) -> None:
    watch = stage.open()
    watch.look()
    gone = stage.children[2]
    with stage.double.store.lock:
        del stage.repository.issues[gone.number]

    view = watch.look()

    assert standings(view) == ["queued", "queued", "missing"]
    assert (view.tasks[2].number, view.is_over) == (gone.number, False)


def test_a_parent_that_is_not_there_ends_the_watch(stage: Stage) -> None:
    with pytest.raises(EnvironmentFault, match="404") as caught:
        stage.open(issue=4711).look()
    assert "ada/opera" in caught.value.next_step


def test_a_token_that_is_not_valid_ends_the_watch(stage: Stage) -> None:
    with pytest.raises(EnvironmentFault, match="401"):
        stage.open(token="ghp_nobody").look()


def test_a_server_without_sub_issues_is_read_by_label(stage: Stage) -> None:
    before = stage.open().look()
    stage.double.fail(Fault(effect=Effect.NOT_FOUND, path="*/sub_issues"))
    watch = stage.open()
    stage.double.log.clear()

    assert watch.look() == watch.look() == before
    assert len(stage.double.log.matching(path="*/sub_issues")) == 1


def test_jobs_that_the_token_may_not_see_are_left_out(stage: Stage) -> None:
    stage.repository.private = True
    token = stage.double.workflow_token(stage.repository, {"issues": "read"})
    watch = stage.open(token=token)

    views = [watch.look(), watch.look()]

    assert {task.job for view in views for task in view.tasks} == {""}
    assert standings(views[1]) == ["queued"] * 3
    jobs = [call for call in stage.double.log.matching(path="*/jobs") if call.token == token]
    assert len(jobs) == 1


@pytest.mark.parametrize(
    "path", ["*/issues/?", "*/comments", "*/sub_issues", "*/jobs", "*/rate_limit"]
)
@pytest.mark.parametrize("effect", [Effect.SECONDARY_LIMIT, Effect.TOO_MANY_REQUESTS])
def test_a_limit_is_waited_for_as_long_as_github_asks(
    stage: Stage, path: str, effect: Effect
) -> None:
    clock = BentClock(stage.double.clock)
    watch = stage.open(clock=clock)
    before = watch.look()
    stage.double.fail(Fault(effect=effect, path=path, nth=1, retry_after_seconds=90))

    assert watch.look() == before

    assert clock.slept == ([] if path == "*/rate_limit" else [90.0])
    assert len(stage.said) == len(clock.slept)
    assert all("1m 30s" in text for text in stage.said)


def test_an_hour_that_is_used_up_is_waited_for(stage: Stage) -> None:
    stage.double.limits.allowance = Allowance(user_per_hour=2)
    clock = BentClock(stage.double.clock)

    assert standings(stage.open(clock=clock).look()) == ["queued"] * 3

    assert all(3000 < seconds <= 3660 for seconds in clock.slept)
    assert 1 <= len(clock.slept) <= 3


@pytest.mark.parametrize(
    "effect", [Effect.BAD_GATEWAY_BEFORE, Effect.BAD_GATEWAY_AFTER, Effect.DROP_AFTER]
)
@pytest.mark.parametrize("path", ["*/issues/?", "*/sub_issues", "*/jobs"])
def test_a_bad_moment_of_github_is_no_end(stage: Stage, effect: Effect, path: str) -> None:
    watch = stage.open(clock=BentClock(stage.double.clock))
    watch.look()
    stage.label(stage.children[0], "landed")
    stage.double.fail(Fault(effect=effect, path=path, nth=1))

    assert standings(watch.look()) == ["landed", "queued", "queued"]


def test_a_github_that_stays_away_is_an_error_in_the_end(stage: Stage) -> None:
    clock = BentClock(stage.double.clock)
    stage.double.fail(Fault(effect=Effect.BAD_GATEWAY_BEFORE, path="*"))

    with pytest.raises(EnvironmentFault, match="3 times in a row"):
        stage.open(clock=clock, tries=3).look()
    assert clock.slept == [2.0, 4.0]


# How it goes on and ends


def test_it_ends_when_all_children_are_closed(stage: Stage) -> None:
    *_, last = stage.follow(nothing, stage.finish)
    assert (last.is_over, last.has_landed) == (True, True)


def test_it_ends_when_the_parent_is_closed(stage: Stage) -> None:
    close = stage.double.close
    *_, last = stage.follow(nothing, lambda: close(stage.parent, user=stage.user))
    assert (last.is_over, last.has_landed) == (True, False)


def test_only_changes_are_told(stage: Stage) -> None:
    double, run, apple = stage.double, stage.run, stage.children[0]
    views = [
        *stage.follow(
            nothing,
            lambda: stage.label(apple, "running"),
            nothing,
            lambda: double.set_job(
                run, "orchestrate / work (1)", status="completed", conclusion="success"
            ),
            stage.finish,
        )
    ]
    assert [view.tasks[0].standing for view in views] == [
        GitHubState.QUEUED,
        GitHubState.RUNNING,
        GitHubState.RUNNING,
        GitHubState.LANDED,
    ]


def test_pauses_grow_to_a_minute_and_shrink_when_something_happens(stage: Stage) -> None:
    apple = stage.children[0]
    scenes = [nothing] * 5 + [lambda: stage.label(apple, "running"), nothing, stage.finish]

    assert [*stage.follow(*scenes)][-1].is_over

    assert stage.clock.slept == [10, 20, 40, 60, 60, 60, 10, 20]


def test_a_pipe_gets_a_line_for_each_change_and_the_table_at_the_end(stage: Stage) -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    console = Console(stdout, stderr, terminal=False, json=False)
    lookout = stage.lookout(console)
    apple = stage.children[0]
    stage.clock.scenes[:] = [lambda: stage.label(apple, "running"), stage.finish]

    console.show_view(lookout.stay(interval_seconds=10), now=stage.clock.now())

    lines = stderr.getvalue().splitlines()
    assert len(lines) == 5 + 1 + 3
    assert lines[0].startswith("run i1-c")
    assert " running " in lines[5]
    assert stdout.getvalue().count(" landed ") == 3
    assert "3 tasks, 3 landed; " in stdout.getvalue()
    assert "s, over" in stdout.getvalue()


def test_a_terminal_gets_a_live_table(stage: Stage) -> None:
    stdout, stderr = Terminal(), Terminal()
    console = Console(stdout, stderr, terminal=True, json=False)
    stage.clock.scenes[:] = [stage.finish]
    stage.double.fail(Fault(effect=Effect.SECONDARY_LIMIT, path="*/jobs", nth=2))
    stage.clock.scenes.append(nothing)

    view = stage.lookout(console).stay(interval_seconds=10)

    assert view.has_landed
    assert view.run in stderr.getvalue()
    assert "secondary rate limit" in stderr.getvalue()
    assert stdout.getvalue() == ""


# The command


@pytest.fixture
def call(stage: Stage, project: Project) -> Callable[..., Done]:
    """The program in a clone of the repository, with the user's token."""
    project.git("remote", "add", "origin", f"{stage.double.url}/ada/opera.git")

    def start(*arguments: str, **variables: str) -> Done:
        env = {**environment(stage), **variables}
        return concertmaster("watch", *arguments, cwd=project.root, env=env)

    return start


def environment(stage: Stage) -> dict[str, str]:
    return {
        "GITHUB_TOKEN": stage.token,
        "GH_TOKEN": "",
        "GITHUB_API_URL": stage.double.url,
        "GITHUB_SERVER_URL": stage.double.url,
    }


def test_once_shows_the_state_and_fails_while_not_all_has_landed(
    stage: Stage, call: Callable[..., Done]
) -> None:
    done = call(str(stage.parent.number), "--once")

    assert (done.code, done.err) == (1, "")
    assert "Write pear.txt" in done.out
    assert "work (0) in progress" in done.out
    assert "3 tasks, 3 queued" in done.out


def test_json_gives_one_document(stage: Stage, call: Callable[..., Done]) -> None:
    stage.finish()
    done = call(f"{stage.double.url}/ada/opera/issues/{stage.parent.number}", "--json")

    assert done.code == 0
    assert done.document["is_over"]
    assert done.document["has_landed"]
    assert [task["standing"] for task in done.document["tasks"]] == ["landed"] * 3


def test_it_ends_by_itself(stage: Stage, call: Callable[..., Done]) -> None:
    stage.finish("failed")
    done = call(f"ada/opera#{stage.parent.number}")
    assert (done.code, ", over" in done.out) == (1, True)


def test_without_a_token_it_says_what_to_set(call: Callable[..., Done]) -> None:
    done = call("1", GITHUB_TOKEN="")
    assert done.code == 3
    assert "GITHUB_TOKEN" in done.err
    assert "GH_TOKEN" in done.err


def test_the_other_name_of_the_token_is_fine_too(stage: Stage, call: Callable[..., Done]) -> None:
    assert call("1", "--json", GITHUB_TOKEN="", GH_TOKEN=f"{stage.token}\n").document["run"]


def test_the_token_is_sent_to_no_server_that_an_address_names(
    stage: Stage, call: Callable[..., Done]
) -> None:
    stage.double.log.clear()
    address = f"{stage.double.url}/ada/opera/issues/1"
    done = call(address, "--once", GITHUB_SERVER_URL="https://github.com")

    assert done.code == 2
    assert "--repo" in done.err
    assert len(stage.double.log) == 0


def test_a_wrong_word_names_the_option(call: Callable[..., Done]) -> None:
    assert call("fruit").code == 2
    assert call("1", "--interval", "0").code == 2
    assert "--repo" in call("ada/opera#1", "--repo", "ada/other").err


def test_interrupted_it_says_that_the_run_goes_on(stage: Stage, project: Project) -> None:
    command = [sys.executable, "-m", "concertmaster", "watch", "1", "--repo", "ada/opera"]
    with subprocess.Popen(
        command,
        cwd=project.root,
        env={**os.environ, **environment(stage)},
        stderr=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stderr
        assert watching.stderr.readline().startswith("run i1-c")
        watching.send_signal(signal.SIGINT)
        told = watching.stderr.read()
    assert watching.returncode == 130
    assert "the run goes on" in told
    assert "Traceback" not in told


# Where and with what


def test_the_issue_is_looked_for_where_the_folder_was_cloned_from(project: Project) -> None:
    server = "https://github.com"
    project.git("remote", "add", "origin", "git@github.com:ada/opera.git")

    def find(text: str, repository: str = "") -> str:
        folder = project.root / "folder"
        found = find_issue(text, repository=repository, folder=folder, server=server)
        return f"{found.repository}#{found.number}"

    assert find("7") == "ada/opera#7"
    assert find("7", "bob/play") == "bob/play#7"
    assert find("bob/play#7") == "bob/play#7"
    assert find("bob/play#7", "Bob/Play") == "Bob/Play#7"


def test_a_folder_without_origin_asks_for_the_repository(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_issue("7", repository="", folder=tmp_path, server="https://github.com")
    assert "--repo" in caught.value.next_step


@pytest.mark.parametrize(
    ("server", "api_url", "api"),
    [
        ("", "", "https://api.github.com"),
        ("https://GitHub.com/", "", "https://api.github.com"),
        ("https://git.example/", "", "https://git.example/api/v3"),
        ("https://git.example", "https://api.git.example/", "https://api.git.example"),
    ],
)
def test_the_api_belongs_to_the_server(
    monkeypatch: pytest.MonkeyPatch, server: str, api_url: str, api: str
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "x")
    monkeypatch.setenv("GITHUB_SERVER_URL", server)
    monkeypatch.setenv("GITHUB_API_URL", api_url)
    assert load_access_settings().api == api


@pytest.mark.parametrize("token", ["", "a b", "ghp_\u00e9", "a\nb"])
def test_what_cannot_be_a_token_is_not_sent(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", token)
    monkeypatch.delenv("GH_TOKEN", raising=False)
    with pytest.raises(EnvironmentFault) as caught:
        load_access_settings()
    assert not token or token not in json.dumps([caught.value.what, caught.value.why])
