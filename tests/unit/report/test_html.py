from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from concertmaster.events import Event, PhaseFinished, RunResumed
from concertmaster.model import Usage
from concertmaster.report.html import render_report
from concertmaster.report.task_material import ChangedFile, TaskMaterial
from tests import journals
from tests.journals import HOSTILE, START, make_plan, make_task

PAGE_BYTES_PER_TASK = 1000
MAY_STAY_OPEN = ("p", "tr", "th", "td")


class Page(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open[-1] != tag and self.open[-1] in MAY_STAY_OPEN:
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def find(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page() -> Page:
    events = journals.one_lands_two_breaks_the_check()
    return Page(render_report(journals.tell_story(make_plan(), events)[1]))


def test_the_page_tells_what_came_of_each_task(page: Page) -> None:
    for word in ("Title of one", "left out", "test_colour fails", "it is there already"):
        assert word in page.text
    assert f"git diff two-prepare concertmaster/{journals.RUN}/two" in page.text
    assert {"src/a.py", "90%"} <= set(page.text.split())
    assert "skipped" in page.text
    assert page.open == []


def test_what_sent_the_work_back_to_the_agent_is_told() -> None:
    prepare, *others = journals.succeed("one", at=2)
    sent_back = replace(journals.fail("one", at=4, reason="greet <them>"), evidence="greet them")

    story = (*journals.begin(), prepare, sent_back, *others)
    page = Page(render_report(journals.tell_story(make_plan(), story)[1]))

    assert "did not passgreet <them>" in page.text
    assert "implement, 1.0s, did not pass" in page.text


def test_states_can_be_told_apart(page: Page) -> None:
    classes = {attributes.get("class", "") for attributes in page.find("span")}

    assert {"state landed", "state left_out", "state succeeded"} <= classes


def test_the_timeline_has_a_bar_for_each_phase_and_each_check_that_ran(page: Page) -> None:
    bars = page.find("rect")

    assert len(bars) == 4 + 4 + 2 + 3
    implement = next(bar for bar in bars if bar["class"] == "implement")
    assert float(implement["x"].rstrip("%")) == pytest.approx(100 * 3 / 22, abs=0.01)
    assert float(implement["width"].rstrip("%")) == pytest.approx(100 / 22, abs=0.01)


def test_pauses_are_cut_out_of_the_timeline() -> None:
    plan = make_plan(tasks=[make_task("one")])
    first, second, *rest = journals.succeed("one", at=2)
    later = [replace(event, at=event.at + 5000) for event in rest]
    events = (*journals.begin(), first, second, RunResumed(at=START + 5004), *later)

    page = Page(render_report(journals.tell_story(plan, events)[1]))

    assert [bar["x"] for bar in page.find("rect")] == ["33.33%", "50.0%", "66.67%", "83.33%"]
    assert [line["x1"] for line in page.find("line")] == ["66.67%"]
    assert page.find("use") == [{"href": "#pauses"}]


def test_bars_name_the_attempt_where_there_is_more_than_one() -> None:
    failed = (journals.succeed("one", at=2)[0], journals.fail("one", at=5, reason="no"))
    story = (*journals.begin(), *failed, *journals.succeed("one", at=6, attempt=2))
    text = Page(render_report(journals.tell_story(make_plan(), story)[1])).text

    assert "attempt 1: implement, 1.0s, did not pass" in text
    assert "attempt 2: implement, 1.0s" in text


def _without_usage(event: Event) -> Event:
    assert isinstance(event, PhaseFinished)
    return replace(event, usage=Usage(), session="")


def _with_session(event: Event) -> Event:
    assert isinstance(event, PhaseFinished)
    return replace(event, session=f"0b8a6c1e-5d7f-4a39-9c20-{event.task:>012.12}")


@pytest.mark.parametrize(
    ("change", "most"), [(_without_usage, 780), (_with_session, PAGE_BYTES_PER_TASK)]
)
def test_a_large_run_has_a_page_of_one_kilobyte_per_task_that_loads_folded(
    change: Callable[[Event], Event], most: int
) -> None:
    def page_of(count: int) -> str:
        names = [f"task{number:04}-1a2b" for number in range(count)]
        plan = make_plan(tasks=[make_task(name, title=f"Do {name}", paths=()) for name in names])
        ends = (event for name in names for event in journals.succeed(name, at=2))
        landed = journals.land(*names, at=9)
        return render_report(
            journals.tell_story(plan, (*journals.begin(), *map(change, ends), landed))[1]
        )

    large = page_of(60)

    assert len(large) - len(page_of(10)) <= 50 * most
    rows = [one for one in Page(large).find("details") if one.get("id", "").startswith("task")]
    assert len(rows) == 60
    assert all("open" not in row for row in rows)


def test_hostile_text_stays_text() -> None:
    plan = make_plan(tasks=[make_task("one", title=HOSTILE, paths=[HOSTILE])])
    events = (
        *journals.begin(),
        journals.succeed("one", at=2)[0],
        journals.fail("one", at=5, reason=HOSTILE),
    )
    html = render_report(journals.tell_story(replace(plan, notes=(HOSTILE,)), events)[1])
    page = Page(html)

    assert page.find("script") == []
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7*7 }}" in page.text
    assert not {"\x1b", "\u202e", "\u200b"} & set(html)


def test_the_row_of_a_task_holds_its_prompt_its_change_and_its_log() -> None:
    events = journals.one_lands_two_breaks_the_check()
    files = (
        ChangedFile(path="src/<a>.py", added=2, removed=1),
        ChangedFile(path="logo.png", added=None, removed=None),
    )
    material = TaskMaterial(
        prompt=f"# One\n{HOSTILE}", changed=files, diff="-old\n+new", check_log="1 passed"
    )
    report = journals.tell_story(make_plan(), events)[1]
    html = render_report(report, {"one": material})
    page = Page(html)

    for text in ("Changed files (2)", "src/<a>.py", "+2 -1", "binary", "-old\n+new", "1 passed"):
        assert text in page.text
    assert page.find("script") == []
    assert "\x1b" not in html
    folded = [one for one in page.find("details") if one.get("class") == "more"]
    assert len(folded) == 3
    assert all("open" not in one for one in folded)


def test_a_few_changed_files_without_a_text_take_one_line() -> None:
    report = journals.tell_story(make_plan(), journals.one_lands_two_breaks_the_check())[1]
    files = tuple(ChangedFile(path=f"src/{n}.py", added=n, removed=1) for n in range(4))
    few, many = (
        Page(render_report(report, {"one": TaskMaterial(changed=changed)}))
        for changed in (files[:2], files)
    )

    assert "Changed: src/0.py +0 -1, src/1.py +1 -1\n" in few.text
    assert "Changed files (4)" in many.text


def test_a_task_without_costs_takes_less_than_a_kilobyte() -> None:
    def measure(count: int) -> int:
        names = [f"task{number:04}-0a42" for number in range(count)]
        events: list[Event] = [*journals.begin()]
        for name in names:
            done = journals.succeed(name, at=2)
            phases = [one for one in done if isinstance(one, PhaseFinished)]
            events += [replace(one, session="", usage=Usage()) for one in phases]
        plan = make_plan(tasks=[make_task(name) for name in names])
        report = replace(journals.tell_story(plan, events)[1], next_steps=())
        changed = (ChangedFile(path="src/module/file.py", added=10, removed=2),)
        return len(render_report(report, dict.fromkeys(names, TaskMaterial(changed=changed))))

    assert (measure(60) - measure(10)) / 50 < PAGE_BYTES_PER_TASK


def test_nothing_runs_and_nothing_is_loaded(page: Page) -> None:
    policies = [m["content"] for m in page.find("meta") if m.get("http-equiv")]
    assert [policy.partition(";")[0] for policy in policies] == ["default-src 'none'"]
    for tag, attributes in page.elements:
        assert tag not in ("script", "link", "img", "iframe", "object", "form")
        assert not [name for name in attributes if name.startswith("on") or name == "src"]
        assert not re.match(r"[a-z]+:|//", attributes.get("href", ""))


def test_a_run_that_has_only_begun_has_a_page() -> None:
    page = Page(render_report(journals.tell_story(make_plan(), ())[1]))

    assert "unfinished" in page.text


def test_each_phase_tells_what_it_took() -> None:
    events = (
        *journals.begin(),
        *journals.succeed("one", at=2, cost=0.5),
        *journals.succeed("two", at=2, cost=0.25, estimated=True),
    )
    page = Page(render_report(journals.tell_story(make_plan(), events)[1]))

    for word in ("1.0s$0.501,20010\n", "1.0s~$0.251,20010\n"):
        assert word in page.text  # the cells of one row
    for name in ("one", "two"):
        assert page.text.count(f"session-of-{name}") == 1
    assert "implement2.0s~$0.752,4002022" in page.text.replace("\n", "")  # the row of the whole run
    links = {attributes.get("href") for attributes in page.find("a")}
    assert "tasks/one/1/transcript.jsonl" in links
    assert page.open == []


def test_each_phase_tells_its_session_where_there_is_more_than_one() -> None:
    ends = journals.succeed("one", at=2)
    phases = [one for one in ends if isinstance(one, PhaseFinished)]
    named = [replace(one, session=f"session-of-{one.phase}") for one in phases]
    report = journals.tell_story(make_plan(), (*journals.begin(), *named))[1]
    page = Page(render_report(report))

    assert "tokens outsession\n" in page.text
    assert "1,20010session-of-implement\n" in page.text
    assert "session-of-deliver\n" in page.text


def test_follow_ups_can_be_read_and_copied() -> None:
    stated = (f"Mend {HOSTILE}", "---\nagent: command\n---\n</pre></details>@octo")
    events = (*journals.begin(), *journals.succeed("one", at=2, follow_ups=stated))
    report = journals.tell_story(make_plan(), events)[1]
    html = render_report(report)
    page = Page(html)

    for draft in report.follow_ups:
        assert draft.text in page.text
        assert {"href": f"follow-ups/{draft.file}"} in page.find("a")
    assert page.open == []
    assert page.find("script") == []
    assert not {"\x1b", "\u202e", "\u200b"} & set(html)
