"""Commands, options, exit codes and keys of documents of an earlier version are still there.

tests/data/before-move/README.md tells how the data was made.
"""

from __future__ import annotations

import json
import re
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.commandline import OBEDIENT_COMMAND, among_agents, called, write_prompt
from tests.conftest import Project

DATA = Path(__file__).parents[1] / "data" / "before-move" / "cli"
HELPS = sorted((DATA / "help").glob("*.txt"))
# The sum of all phases divided by the time of the run is no speed-up; it is called `concurrency`.
GONE = {"speed_up"}
AGENT = ("--agent-command", OBEDIENT_COMMAND, "--parallel", "3")


def make_project(folder: Path) -> Project:
    """Return a project with prompts that land, build on another, fail, cost or are done."""
    project = Project(folder)
    write_prompt(project, "one", "echo 1 > one.txt", head="touches: [one.txt]")
    write_prompt(project, "two", "cp one.txt two.txt", head="needs: [one.md]")
    write_prompt(project, "bad", "echo half > bad.txt; exit 3")
    write_prompt(project, "costly", "echo 'cost 5' >> $ORDERS; echo 1 > costly.txt")
    write_prompt(project, "old", "false", head="status: implemented")
    project.commit("Prompts", {"check.sh": "true\n"})
    project.git("checkout", "--quiet", "-b", "topic")
    project.commit("Topic", {"topic.txt": "topic\n"})
    project.git("checkout", "--quiet", "main")
    return project


def prompts(*names: str) -> list[str]:
    return [f"prompts/{name}.md" for name in names]


def see_errors(root: Path) -> list[dict[str, Any]]:
    """Return the arguments, the exit code and the error line of each wrong call."""
    run = ("run", *prompts("one"))
    calls: list[tuple[str, ...]] = [
        (),
        ("--version",),
        ("nonsense",),
        ("run", "--nonsense"),
        ("run",),
        ("run", *prompts("missing")),
        (*run, "--agent", "nobody", "--check", "true"),
        (*run, *AGENT),
        (*run, *AGENT, "--check", "false"),
        (*run, *AGENT, "--budget", "much"),
        (*run, *AGENT, "--target", "nowhere"),
        ("run", *prompts("bad"), *AGENT, "--check", "true"),
        ("run", *prompts("costly"), "--agent", "claude", "--check", "true", "--budget", "1"),
        ("run", *prompts("old"), *AGENT, "--check", "true"),
        ("plan", *prompts("one"), "--check", "true", "--explain", "one", "missing"),
        ("status", "missing"),
        ("resume", "missing"),
        ("land", "missing", "--check", "true"),
        ("watch", "nonsense"),
        ("watch", "1", "--repo", "ada/opera"),
    ]
    return [see_error(root, call) for call in calls]


def see_error(root: Path, arguments: tuple[str, ...]) -> dict[str, Any]:
    done = called(*arguments)
    words = next((line for line in done.err.split("\n") if line.startswith("error: ")), "")
    named = [word if word != OBEDIENT_COMMAND else "AGENT" for word in arguments]
    return {
        "arguments": named,
        "code": done.code,
        "error": words.replace(str(root), "PROJECT"),
    }


def see_documents(root: Path) -> dict[str, Any]:
    """Return the shape of each document that `--json` prints or a run leaves."""
    check = ("--check", "sh check.sh")
    named = prompts("one", "two", "bad", "old")
    found = {
        "doctor": called("doctor", "--json"),
        "plan": called("plan", *named, *AGENT, *check, "--json"),
        "dry run": called("run", *named, *AGENT, *check, "--dry-run", "--json"),
        "run": called("run", *named, *AGENT, *check, "--json"),
        "land": called("land", "topic", *check, "--json"),
        "status": called("status", "--json"),
    }
    run = found["run"].document["run"]
    found["status of a run"] = called("status", run, "--json")
    found["report"] = called("report", run, "--json")
    found["cancel"] = called("cancel", run, "--json")
    found["error"] = called("status", "missing", "--json")
    found["init"] = called("init", *check, "--json")
    folder = root / ".git/concertmaster/runs" / run
    written = {
        "plan.json": json.loads((folder / "plan.json").read_text()),
        "report.json": json.loads((folder / "report.json").read_text()),
        **see_events(folder / "journal.jsonl"),
    }
    found["clean"] = called("clean", "--json")
    documents = {name: done.document for name, done in found.items()} | written
    return {name: shape(one) for name, one in documents.items()}


def see_events(journal: Path) -> dict[str, Any]:
    """Return the events of the journal by kind."""
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    # A machine short of resources writes this event; the recorded one was not short.
    events = [event for event in events if event["event"] != "Throttled"]
    ordered = sorted(events, key=lambda event: str(event["event"]))
    kinds = groupby(ordered, key=lambda event: str(event["event"]))
    return {f"event {kind}": list(group) for kind, group in kinds}


def shape(value: Any) -> Any:
    """Return the value with types instead of values; items of a list share one shape."""
    match value:
        case dict():
            return {key: shape(one) for key, one in value.items()}
        case list():
            return [merge([shape(one) for one in value])] if value else []
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case _:
            return "string"


def merge(shapes: list[Any]) -> Any:
    """Return the shape that fits all of these."""
    if all(isinstance(one, dict) for one in shapes):
        keys = dict.fromkeys(key for one in shapes for key in one)
        return {key: merge([one[key] for one in shapes if key in one]) for key in keys}
    if all(isinstance(one, list) for one in shapes):
        inner = [one[0] for one in shapes if one]
        return [merge(inner)] if inner else []
    words = [one if isinstance(one, str) else json.dumps(one) for one in shapes]
    return " or ".join(sorted(set(words)))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in among_agents(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    for name in ("GITHUB_TOKEN", "GH_TOKEN", "RUNNER_TEMP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    project = make_project(tmp_path / "project")
    monkeypatch.chdir(project.root)
    return project.root


@pytest.mark.parametrize("file", HELPS, ids=[file.stem for file in HELPS])
def test_every_command_and_option_is_still_there(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    command = [] if file.stem == "concertmaster" else [file.stem]
    done = called(*command, "--help")
    assert done.code == 0
    assert offered(file.read_text()) <= offered(done.out)


def offered(text: str) -> set[str]:
    """Return the options and commands of a help text."""
    return {*re.findall(r"--[a-z-]+", text), *re.findall(r"^  ([a-z]+)  ", text, re.MULTILINE)}


@pytest.mark.matrix
def test_exit_codes_are_what_they_were(root: Path) -> None:
    recorded = json.loads((DATA / "errors.json").read_text())
    keys = ("arguments", "code")
    assert [[one[key] for key in keys] for one in see_errors(root)] == [
        [one[key] for key in keys] for one in recorded
    ]


@pytest.mark.matrix
def test_documents_keep_their_keys(root: Path) -> None:
    missing = find_missing(json.loads((DATA / "documents.json").read_text()), see_documents(root))
    assert {path for path in missing if path.rpartition(".")[2] not in GONE} == set()


def find_missing(before: Any, now: Any, path: str = "") -> set[str]:
    """Return the paths of what the earlier shape has and the present one has not."""
    match before, now:
        case dict(), dict():
            gone = {f"{path}.{key}" for key in before.keys() - now.keys()}
            both = before.keys() & now.keys()
            inner = [find_missing(before[key], now[key], f"{path}.{key}") for key in both]
            return gone.union(*inner)
        case [one], [other]:
            return find_missing(one, other, path)
        case [], list():
            return set()
        case str(), str():
            return set() if {*before.split(" or ")} & {*now.split(" or ")} else {path}
        case _:
            return {path}


def test_what_is_missing_is_found() -> None:
    before = {"a": "number", "b": {"c": ["string"]}, "d": "null or number"}
    assert find_missing(before, {**before, "e": "string"}) == set()
    now = {"a": "string", "b": {"c": "string"}, "d": "number"}
    assert find_missing(before, now) == {".a", ".b.c"}
    assert find_missing(before, {"a": "number"}) == {".b", ".d"}
