"""Tests the jobs with arbitrary texts, files and events.

No job may crash. It replies clearly and changes nothing outside of its run.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concertmaster.action.control import control
from concertmaster.action.plan.job import plan as run_plan
from concertmaster.action.plan.publish import NOTHING
from concertmaster.comments import plan_comment
from concertmaster.errors import Error
from concertmaster.git.repository import Repository
from concertmaster.github.event import CallerWorkflow, Ignored, Trigger, read_trigger
from concertmaster.planning.build_plan import plan_files
from concertmaster.planning.checkout import Checkout
from concertmaster.planning.run_settings import draft_plan
from concertmaster.prompts.files import PromptFile
from concertmaster.settings.declarations import SETTINGS as DECLARED
from concertmaster.settings.declarations import Settings
from concertmaster.settings.sources import load_settings
from concertmaster.text.display import is_visible
from concertmaster.text.markdown import BODY_LIMIT
from concertmaster.text.marks import read_marks
from tests.action import workflow as workflows
from tests.action.conftest import PLAN_PERMISSIONS, SETTINGS
from tests.action.repository import LIST, Scene
from tests.conftest import SHARED_FIXTURES, Project
from tests.github.double import Double
from tests.github.limits import Allowance
from tests.github.people import Role
from tests.github.state import Issue

pytestmark = pytest.mark.matrix

EXAMPLES = Path(__file__).parents[2] / ".cache/webhooks/node_modules/@octokit/webhooks-examples"
EVENTS = ("issue_comment", "issues", "schedule", "workflow_dispatch", "workflow_call", "push", "")

MARKDOWN = (
    *("\n", "\r\n", "\n\n", " ", "- ", "* ", "1. ", "  - ", "[ ] ", "[x] ", "~~", "> ", "# ", "|"),
    *("`", "```", "~~~", "<!--", "-->", "<div>", "<details>", "[a](", ")", "![", "&#64;", "\\"),
    *("prompts/apple.md", "prompts/pear.md", "./", "../", "/etc/", "~", ".git/", "*.md", ".md"),
    *("@ada", "#1", "::error::", "##[x]", "EOF", "\0", "\x1b[31m", "\u202e", "\U000e0041"),
)
COMMANDS = (
    *("/orchestrate", "/orchestrate ", "plan", "retry", "cancel", "status", "help", "apple"),
    *("parallel=", "budget=", "target=", "landing=", "timeout=", "phases=", "agent=", "check="),
    *("main", "full", "nan", "-1", "0", "9e9", "1h", "$5", "merge", "=", "#2", "/orchestrate"),
)
FRONT_MATTER = (
    *("---\n", "\n", "title: ", "needs: ", "touches: ", "check: ", "status: ", "phases: ", "- "),
    *("priority: ", "estimate: ", "[", "]", "{", "}", "'", '"', "&a ", "*a", "|\n ", "? "),
    *("one.md", "two.md", "IMPLEMENTED", "**", "\x00", "\u202e", "after one.md", "src/a.py", "9"),
)
YAML_VALUES = (
    *("", "true", "~", "-1", ".nan", ".inf", "1e999", "0x1F", "1h", "'x'", "merge", "lean", "5"),
    *("9" * 30, "9" * 5000, "1:2:3", "0b_", "0o9", "2001-99-99", "|\n  x", "\t", "%", "\0", "auto"),
    *("[a, b]", "[[1], {}]", "{a: 1}", "{? {a: 1} : 2}", "[", "{", "&a [*a]", "&b {<<: *b}", "*a"),
    *("!!int ''", "!!bool x", "!!timestamp a", "!!float x", "!!binary a", "!!set {a}"),
    *("!!omap [a]", "!!python/none x", "!x y", "'\\ud800'", '"\\ud800"', '"\\0"'),
)


def written_with(*pieces: str) -> st.SearchStrategy[str]:
    """Draw texts of these pieces with arbitrary text between them."""
    return st.lists(st.sampled_from(pieces) | st.text(max_size=6), max_size=25).map("".join)


ENTRIES = st.one_of(
    st.builds("title: {!r}".format, st.text(max_size=300)),
    st.builds("touches: ['{}']".format, st.sampled_from(["**", "a/*.py", "src/a.py", "[", "-"])),
    st.builds("estimate: {}".format, st.sampled_from(["5", "1h", "0", "9e9", "nan", "-1"])),
    st.sampled_from(["needs: one.md", "needs: [absent.md]", "status: done", "priority: 99"]),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["login", "type", "number", "id", "body"]), inner)
    ),
    max_leaves=5,
)
SETTINGS_FILES = st.dictionaries(
    st.sampled_from([*DECLARED, "unknown"]),
    st.sampled_from(YAML_VALUES) | st.text(max_size=6),
    max_size=3,
).map(lambda found: "\n".join(f"{key}: {value}" for key, value in found.items()))
ITEMS = st.sampled_from(["- prompts/apple.md\n", "* `prompts/pear.md`\n", "\n"])
LISTS = st.lists(ITEMS, max_size=3).map("".join) | written_with(*MARKDOWN)


CALM = settings(suppress_health_check=SHARED_FIXTURES)

# Hundreds of examples share one repository; within GitHub's limits the jobs would only wait.
GENEROUS = Allowance(
    app_per_hour=10**6,
    user_per_hour=10**6,
    rest_points_per_minute=10**6,
    query_points_per_minute=10**6,
    content_per_minute=10**6,
    content_per_hour=10**6,
)

# --- the jobs ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("fuzz")
    with Double(folder / "hosting", allowance=GENEROUS) as double:
        repository = double.add_repository("ada/opera")
        prompts = {f"prompts/{name}.md": f"# Write {name}.txt\n" for name in ("apple", "pear")}
        double.commit(repository, "main", {"concertmaster.yml": SETTINGS, **prompts})
        eve = double.add_user("Eve")
        double.give_role(repository, eve, Role.WRITE)
        token = double.workflow_token(repository, PLAN_PERMISSIONS)
        yield Scene(double, repository, eve, token, folder)
    assert double.violations == []


def refusal(call: Callable[[], object]) -> Error | None:
    """Return the error that the call raises; None if it raises none. It has to name the reason."""
    try:
        call()
    except Error as error:
        found = error
    else:
        return None
    assert found.what
    assert found.why or found.next_step
    return found


def run_jobs(run: workflows.Workflow) -> None:
    """Run the two jobs that an event starts."""
    for job in (run_plan, control):
        refusal(partial(job, run.job()))


def check_reply(text: str) -> None:
    """Check that the reply has one mark, is not too long and hides nothing."""
    assert len(read_marks(text)) == 1
    assert len(text) <= BODY_LIMIT
    assert all(is_visible(one) or one == "\n" for one in text)


def others(scene: Scene, issue: Issue) -> list[Any]:
    """Return all that is outside of an issue and its children."""
    ours = {issue.number, *(one.number for one in scene.repository.issues.values() if one.parent)}
    seen = [one for one in scene.everything() if one[0] not in ours]
    return [*seen, scene.double.git(scene.repository).refs()]


JOBS = settings(CALM, max_examples=150)


def spots(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all values in a payload."""
    yield path
    entries: Any = ()
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    for key, inner in entries:
        yield from spots(inner, (*path, key))


def bend(payload: Any, path: tuple[Any, ...], value: object) -> Any:
    """Return the payload with another value at this path."""
    if not path:
        return value
    bent = copy.deepcopy(payload)
    place = bent
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return bent


@pytest.fixture(scope="module")
def payloads(scene: Scene) -> list[Any]:
    """Return complete events of a user who may not write."""
    mallory = scene.double.add_user("mallory")
    issue = scene.open_issue()
    body = f"/orchestrate\n{LIST}"
    comment = scene.double.comment(scene.repository, issue, user=mallory, body=body)
    found = [
        scene.double.comment_event(scene.repository, issue, comment),
        scene.double.label_event(scene.repository, issue, name="orchestrate", sender=mallory),
        {"sender": {"login": mallory.login, "type": "User"}, "inputs": None},
    ]
    return copy.deepcopy(found)  # what is drawn may not change with the double


@settings(JOBS, max_examples=300)
@given(data=st.data())
def test_no_event_of_somebody_who_may_not_write_changes_anything(
    scene: Scene, payloads: list[Any], data: st.DataObject
) -> None:
    payload = data.draw(st.sampled_from(payloads), label="payload")
    for _ in range(data.draw(st.integers(0, 3))):
        path = data.draw(st.sampled_from([*spots(payload)]), label="path")
        payload = bend(payload, path, data.draw(VALUES, label="value"))
    run = scene.start(data.draw(st.sampled_from(EVENTS[:2] + EVENTS[3:])), payload)
    before = scene.everything()

    run_jobs(run)

    assert scene.everything() == before
    assert run.outputs == NOTHING


@JOBS
@given(
    command=written_with(*COMMANDS), comment=written_with(*MARKDOWN), body=written_with(*MARKDOWN)
)
def test_any_words_of_somebody_who_may_write_get_at_most_a_clear_reply_or_a_plan(
    scene: Scene, command: str, comment: str, body: str
) -> None:
    issue = scene.open_issue(body)
    run = scene.ask(f"/orchestrate {command}\n{comment}", issue=issue)
    before = others(scene, issue)

    run_jobs(run)

    said = [one.body for one in issue.comments[1:]]
    assert len(said) <= 2  # at most one by each job
    for text in said:
        check_reply(text)
    below = [one for one in scene.repository.issues.values() if one.parent == issue.id]
    assert {one.title for one in below} <= {"Write apple.txt", "Write pear.txt"}
    assert others(scene, issue) == before
    assert set(json.loads(run.outputs["shares"])) <= {0, 1}


@pytest.mark.skipif(not EXAMPLES.exists(), reason="make matrix brings the examples")
def test_none_of_githubs_example_events_changes_anything(scene: Scene) -> None:
    before = scene.everything()
    seen = 0
    for file in sorted(EXAMPLES.glob("*/index.json")):
        for kind in json.loads(file.read_text()):
            for payload in kind["examples"]:
                run_jobs(scene.start(kind["name"], payload))
                if "issue" in payload:
                    run_jobs(scene.start("issue_comment", {**payload, "action": "created"}))
                seen += 1

    assert seen > 300
    assert scene.everything() == before


# --- parts of the plan job ---------------------------------------------------------------------


@CALM
@given(
    name=st.sampled_from(EVENTS) | st.text(max_size=10),
    payload=VALUES,
    run=st.text(max_size=8) | st.sampled_from(["", "w1", "i1-c2", "a--b", "a-"]),
)
def test_any_event_is_a_trigger_or_ignored(name: str, payload: object, run: str) -> None:
    found = read_trigger(
        name, payload, workflow=CallerWorkflow(run=1, actor="", label="x", resumed=run)
    )

    if isinstance(found, Trigger):
        assert plan_comment.answer_body("x", run=found.run)  # the run's id must fit into a mark
        assert found.issue >= 0
    else:
        assert isinstance(found, Ignored)
        assert found.reason


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Project(tmp_path_factory.mktemp("fuzz") / "project").open()


@given(
    one=written_with(*MARKDOWN),
    two=written_with(*MARKDOWN),
    head=st.lists(ENTRIES, max_size=3).map("\n".join) | written_with(*FRONT_MATTER),
    name=st.text(st.characters(exclude_characters="/\0"), max_size=40),
)
@settings(CALM, max_examples=300)
def test_any_prompts_are_refused_or_become_issues_that_github_takes(
    repository: Repository, one: str, two: str, head: str, name: str
) -> None:
    def encode(text: str) -> bytes:
        return text.encode("utf-8", "surrogatepass")

    files = [
        PromptFile(path="one.md", data=encode(f"# {one}\n")),
        PromptFile(path=f"{name}.md", data=encode(f"---\n{head}\n---\n{two}\n.")),
    ]
    refusal(lambda: check_issues(repository, files))


def check_issues(repository: Repository, files: Sequence[PromptFile]) -> None:
    checkout = Checkout(
        repository=repository,
        target="main",
        commit="0" * 40,
        paths=("src/a.py", "one.md"),
        settings=load_settings({"check": "true", "setup": "", "parallel": 2}),
    )
    draft = draft_plan(checkout, run="i1-c2", requester="")
    made = plan_files(draft, files, checkout).plan
    for task in made.tasks:
        title = plan_comment.child_title(task)
        assert 0 < len(title) <= plan_comment.LONGEST_TITLE
        assert all(map(is_visible, title))
        body = plan_comment.child_body(task, made, parent=7)
        check_reply(body)
        assert plan_comment.task_of_child(body, parent=7) == task.id
    check_reply(plan_comment.plan_comment(made, children={}))


@given(SETTINGS_FILES | st.text(max_size=80))
@settings(CALM, max_examples=400)
def test_any_settings_file_is_read_or_refused_with_its_name(text: str) -> None:
    data = text.encode("utf-8", "replace")
    error = refusal(lambda: check_caps(load_settings({}, file=data, name="concertmaster.yml")))

    assert error is None or "concertmaster.yml" in f"{error.what} {error.next_step}"


def check_caps(found: Settings) -> None:
    assert found.budget_usd is None or 0 < found.budget_usd < float("inf")
    assert found.parallel is None or 1 <= found.parallel <= 256
    assert 0 < found.timeout_seconds < float("inf")


@CALM
@given(st.binary(max_size=60))
def test_any_bytes_as_a_settings_file_are_read_or_refused(data: bytes) -> None:
    with suppress(Error):
        load_settings({}, file=data, name="concertmaster.yml")


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a":' * 50_000, b"\xff", b"", b"9" * 9000])
def test_an_event_file_that_is_no_event_asks_for_nothing(scene: Scene, data: bytes) -> None:
    run = scene.start("issue_comment", {})
    job = run.job()
    Path(job.settings.event_path).write_bytes(data)

    assert run_plan(job) == 0
    assert run.outputs == NOTHING
