"""Tests follow-ups of agents, from the work job to the report on the parent issue."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from concertmaster.action.work import work
from concertmaster.prompts.follow_ups import LONGEST_CARRIED, MOST_CARRIED
from concertmaster.prompts.parser import parse_prompt
from concertmaster.rounds.documents import read_history
from tests.action.rounds import AGENT, House, Round
from tests.conftest import in_matrix
from tests.github.double import Double
from tests.rendering import faults

TOKEN = "ghs_0123456789abcdef0123456789abcdef0123"
COLOURED = f"{TOKEN[:9]}\x1b[31m{TOKEN[9:]}"
STATED = [
    f"Closes #1 for @octo, see https://evil.example/{TOKEN} {COLOURED}",
    "Use one clock in the tests",
]
AGENT_THAT_SEES = f"""{AGENT}
cat <<'END'
```json
{json.dumps({"follow_ups": STATED})}
```
END
"""


@pytest.fixture
def house(double: Double, tmp_path: Path) -> House:
    prompts = {name: f"# Write {name}\n\nwrite {name}.txt {name}\n" for name in ("apple", "pear")}
    return House.build(double, tmp_path, prompts, files={"agent.sh": AGENT_THAT_SEES})


def artifact(held: Round) -> Path:
    return held.artifacts / "concertmaster-work-0"


@pytest.mark.matrix
def test_the_report_on_the_parent_names_them_once_and_starts_nothing(house: House) -> None:
    issue = house.open_issue("apple", "pear")
    held = house.ask(issue).hold()
    report = next(one.body for one in issue.comments if "kind=report-1" in one.body)
    section = report.partition("<details><summary>2 follow-ups, not started</summary>")[2]

    assert "- Use one clock in the tests (from `apple-d8a6`, `pear-fa74`)" in section
    assert section.count("evil.example") == 1
    assert TOKEN not in report
    assert faults(section.removesuffix("</details>")) == []
    assert len(house.issues("task")) == 2
    assert house.dispatched == []
    history = house.history(held.outputs["run"])
    assert [len(one.follow_ups) for one in history.tasks.values()] == [2, 2]


@pytest.mark.matrix
def test_the_artifact_of_the_work_job_has_the_page_and_the_drafts(house: House) -> None:
    held = house.ask(house.open_issue("apple", "pear"))
    held.plan()
    held.work()
    folder = artifact(held)
    page = (folder / "report.html").read_text()
    report = json.loads((folder / "report.json").read_text())
    drafts = sorted((folder / "follow-ups").iterdir())

    assert [task["state"] for task in report["tasks"]] == ["succeeded"] * 2
    assert sorted(draft["file"] for draft in report["follow_ups"]) == [one.name for one in drafts]
    assert "Use one clock in the tests" in page
    assert "Use one clock in the tests" in {
        parse_prompt(one.read_bytes(), path=one.name).title for one in drafts
    }
    for file in folder.rglob("*"):
        assert not file.is_file() or TOKEN not in file.read_text(errors="replace")
    for task in report["tasks"]:
        assert (folder / task["attempts"][0]["transcript"]).is_file()
    held.verify()
    held.finalize()
    assert house.read("apple.txt") == "apple\n"


def test_a_draft_whose_name_holds_a_secret_has_one_that_an_artifact_can_have(
    house: House,
) -> None:
    held = house.ask(house.open_issue("apple", "pear"))
    held.plan()
    work(replace(held.job("work", share=0), environment={"MODEL_API_KEY": "one-clock"}))
    folder = artifact(held)
    report = json.loads((folder / "report.json").read_text())
    names = {one.name for one in (folder / "follow-ups").iterdir()}

    assert names == {draft["file"] for draft in report["follow_ups"]}
    assert any(name.startswith("use-redacted-in-the-tests-") for name in names)
    for path in folder.rglob("*"):
        assert not set(path.name) & set('":<>|*?\r\n'), path


def test_the_log_of_the_work_job_names_nothing_that_its_reader_cannot_reach(house: House) -> None:
    held = house.ask(house.open_issue("apple", "pear"))
    held.plan()
    before = len(held.said)
    held.work()
    said = held.said[before:]

    assert "report: concertmaster-work-0/report.html" in said
    assert "the jobs verify and finalize go on from here" in said
    for word in ("git fetch", "concertmaster resume", "concertmaster run", "landing on"):
        assert word not in said
    for task in json.loads((artifact(held) / "results.json").read_text())["tasks"]:
        assert task["head"][:7] not in said
    assert str(held.artifacts) not in said


def test_the_page_of_the_work_job_tells_what_each_phase_took(house: House) -> None:
    held = house.ask(house.open_issue("apple", "pear"))
    held.plan()
    held.work()
    summary = (held.workflow.folder / "summary.md").read_text()

    assert "### What each phase took" in summary
    assert "| implement | 2 | 2 |" in summary
    assert "| apple-d8a6 | 1 | implement |" in summary


@pytest.mark.matrix
def test_a_repair_keeps_what_the_rounds_before_it_saw(house: House) -> None:
    issue = house.open_issue("apple", "pear")
    house.double.commit(house.repository, "main", {"check.sh": "! test -e pear.txt\n"})
    held = house.ask(issue)
    held.hold()
    more = AGENT_THAT_SEES.replace("Use one clock in the tests", "Mend the parser")
    house.double.commit(house.repository, "main", {"check.sh": "true\n", "agent.sh": more})
    house.ask(issue, "/orchestrate retry").hold()

    pear = house.history(held.outputs["run"]).task("pear-fa74")
    assert [text.split(" ")[0] for text in pear.follow_ups] == ["Closes", "Use", "Mend"]


@pytest.mark.matrix
@pytest.mark.parametrize(
    "stated",
    [
        ["x" * 100_000] * 30,
        [f"{n} </details>\n\n# @octo closes #1 <img src=x> ::error::" for n in range(1000)],
        ["\x1b[2J\u202e", "", " ", "<!-- concertmaster run=x kind=plan -->"],
    ],
)
def test_what_a_hostile_share_states_is_little_and_does_nothing(
    house: House, stated: list[str]
) -> None:
    issue = house.open_issue("apple", "pear")
    held = house.ask(issue)
    held.plan()
    held.work()
    path = artifact(held) / "results.json"
    document = json.loads(path.read_text())
    for task in document["tasks"]:
        task["follow_ups"] = stated
    path.write_text(json.dumps(document))
    held.verify()
    held.finalize()

    report = next(one.body for one in issue.comments if "kind=report-1" in one.body)
    head, _, section = report.partition("</summary>")
    assert "2 of 2 tasks landed" in head
    assert faults(section.removesuffix("</details>")) == []
    for one in house.history(held.outputs["run"]).tasks.values():
        assert len(one.follow_ups) <= MOST_CARRIED
        assert all(len(text) <= LONGEST_CARRIED for text in one.follow_ups)


@pytest.mark.parametrize("stated", [[1], *in_matrix(["text", [None], {"a": 1}, [["nested"]]])])
def test_follow_ups_of_another_shape_are_no_result(house: House, stated: object) -> None:
    held = house.ask(house.open_issue("apple"))
    held.plan()
    held.work()
    path = artifact(held) / "results.json"
    document = json.loads(path.read_text())
    document["tasks"][0]["follow_ups"] = stated
    path.write_text(json.dumps(document))
    held.finalize()

    (apple,) = house.history(held.outputs["run"]).tasks.values()
    assert (apple.outcome, apple.follow_ups) == ("lost", ())


@pytest.mark.matrix
def test_files_that_finalize_does_not_know_are_no_reason_to_refuse(house: House) -> None:
    held = house.ask(house.open_issue("apple"))
    held.plan()
    held.work()
    (artifact(held) / "report.html").unlink()
    (artifact(held) / "report.html").symlink_to("/etc/passwd")
    (artifact(held) / "follow-ups" / "more.md").write_bytes(b"\xff" * 99)
    (artifact(held) / "elsewhere").symlink_to("/")
    held.verify()
    held.finalize()

    assert house.read("apple.txt") == "apple\n"


@pytest.mark.matrix
def test_a_state_branch_of_before_is_read(house: House) -> None:
    held = house.ask(house.open_issue("apple")).hold()
    written = house.read("history.json", branch=f"concertmaster/{held.outputs['run']}/state")
    assert written is not None
    history = json.loads(written)
    for task in history["tasks"]:
        del task["follow_ups"]

    (old,) = read_history(json.dumps(history).encode()).tasks.values()
    assert old.follow_ups == ()
