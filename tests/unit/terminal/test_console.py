from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from concertmaster.errors import Error, UsageError
from concertmaster.events import CancelRequested, Event, MergeConflicted, TargetMoved, Throttled
from concertmaster.model import Outcome, Plan, Shortage
from concertmaster.run import state_machine
from concertmaster.terminal.console import Console, PlanForm
from tests import journals
from tests.conftest import wait_until
from tests.journals import HOSTILE, START, make_plan, make_task

TWO = make_plan(tasks=[make_task("one"), make_task("two")])
FOLDER = Path("/runs/one")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Screen:
    """A console together with what was written to it."""

    def __init__(self, *, terminal: bool = False, json: bool = False) -> None:
        make = Terminal if terminal else io.StringIO
        self.stdout, self.stderr = make(), make()
        self.console = Console(self.stdout, self.stderr, terminal=terminal, json=json)

    @property
    def out(self) -> str:
        return self.stdout.getvalue()

    @property
    def err(self) -> str:
        return self.stderr.getvalue()

    def watch(self, events: Iterable[Event], plan: Plan) -> None:
        state = state_machine.begin_run(plan)
        with self.console.progress() as progress:
            for event in events:
                state, _ = state_machine.handle(state, event)
                progress.update(state, event)


def watched(events: Iterable[Event], plan: Plan = TWO) -> str:
    screen = Screen()
    screen.watch(events, plan)
    assert screen.out == ""
    return screen.err


def steers_nothing(text: str) -> bool:
    return not any(character in text for character in "\x1b\u202e\u200b")


def test_a_plan_is_shown_with_its_reasons() -> None:
    screen = Screen()

    screen.console.show_plan(make_plan())

    for word in ("Title of two", "src/a.py 90%", "needs one", "62%", "prompts/old.md", "estimate"):
        assert word in screen.out
    assert "a note of the plan" in screen.out


def test_the_table_follows_the_order_of_starts() -> None:
    screen = Screen()

    screen.console.show_plan(replace(make_plan(), order=("three", "one", "two")))

    rows = [line.split()[:2] for line in screen.out.splitlines()[1:4]]
    assert rows == [["1", "three"], ["2", "one"], ["3", "two"]]


def test_a_plan_is_drawn_for_mermaid() -> None:
    screen = Screen()

    screen.console.show_plan(make_plan(), form=PlanForm.MERMAID)

    assert screen.out.startswith("flowchart")
    assert "t0 --> t2" in screen.out
    assert "t0 x--x" in screen.out


@pytest.mark.parametrize("form", PlanForm)
@pytest.mark.parametrize("terminal", [False, True])
def test_hostile_titles_steer_nothing_in_a_plan(form: PlanForm, terminal: bool) -> None:
    screen, plain = Screen(terminal=terminal), Screen(terminal=terminal)

    screen.console.show_plan(make_plan(tasks=[make_task("one", title=HOSTILE)]), form=form)
    plain.console.show_plan(make_plan(tasks=[make_task("one", title="plain")]), form=form)

    assert "\u202e" not in screen.out
    assert screen.out.count("\x1b[31m") == 0
    if form is PlanForm.MERMAID:
        assert "<script>" not in screen.out
        assert screen.out.count("\n") == plain.out.count("\n")


def test_a_plan_as_json_is_one_document() -> None:
    by_form, by_option = Screen(), Screen(json=True)

    by_form.console.show_plan(make_plan(), form=PlanForm.JSON)
    by_option.console.show_plan(make_plan())

    assert json.loads(by_form.out) == json.loads(by_option.out)
    assert json.loads(by_form.out)["exclusions"][0]["tasks"] == ["one", "two"]


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (("one", "two"), ("do not run", "62%", "src/a.py")),
        (("prompts/three.md", "one.md"), ("do not run", "three.md says needs: one.md")),
        (("two", "three"), ("may run", "share no predicted path")),
    ],
)
def test_it_is_explained_why_two_tasks_do_or_do_not_run_together(
    pair: tuple[str, str], words: tuple[str, ...]
) -> None:
    screen = Screen()

    screen.console.explain(make_plan(), pair[0], b=pair[1])

    assert all(word in screen.out for word in words)


def test_an_order_by_way_of_others_is_explained_step_by_step() -> None:
    plan = make_plan()
    chain = (*plan.needs, replace(plan.needs[0], task="two", on="three", hard=False))
    screen = Screen()

    screen.console.explain(replace(plan, needs=chain, exclusions=()), "one", b="two")

    assert "by way of three" in screen.out
    assert "two comes after three" in screen.out


def test_tasks_that_share_a_path_without_much_danger_may_run_together() -> None:
    screen = Screen()

    screen.console.explain(replace(make_plan(), exclusions=()), "one", b="two")

    assert "may run" in screen.out
    assert "both may change src/a.py" in screen.out


def test_an_unknown_or_repeated_task_cannot_be_explained() -> None:
    console = Screen().console

    with pytest.raises(UsageError, match="did you mean 'three'"):
        console.explain(make_plan(), "one", b="threx")
    with pytest.raises(UsageError, match="same task"):
        console.explain(make_plan(), "one", b="one.md")
    with pytest.raises(UsageError) as caught:
        console.explain(make_plan(), "nothing like it", b="one")
    assert caught.value.why == "it has one, two, three"


def test_an_explanation_as_json_is_one_document() -> None:
    screen = Screen(json=True)

    screen.console.explain(make_plan(), "one", b="two")

    assert json.loads(screen.out)["together"] is False


def test_a_run_is_told_line_by_line_with_seconds_since_its_first_event() -> None:
    told = watched(journals.one_lands_two_breaks_the_check(), make_plan())

    for line in (
        "4.0s  one  implement finished in 1.0s",
        "8.5s  landed 1 task: bbbbbbb..ccccccc on main",
        "three  has nothing to change: it is there already",
        "culprit: two passes on its own base, but not on the target at ccccccc: test_colour fails",
        f"two  its work is on branch concertmaster/{journals.RUN}/two",
    ):
        assert line in told


def test_a_batch_and_its_conflicts_are_told() -> None:
    done = (*journals.begin(), *journals.succeed("one", at=2), *journals.succeed("two", at=2))
    conflict = MergeConflicted(
        task="two", tip="b" * 40, paths=("src/a.py",), behind=("one",), at=START + 9
    )

    more = journals.succeed("three", at=3)
    first = (journals.check("one", at=9, passed=True), journals.land("one", at=9.5))
    both = journals.check("two", "three", at=11, passed=True)
    plan = make_plan(tasks=[make_task(key) for key in ("one", "two", "three")])
    together = watched((*done, *more, *first, both), plan)
    behind = watched((*done, conflict))
    alone = watched((*done, replace(conflict, behind=())))

    assert "check: 2 tasks together pass the check" in together
    assert "two conflicts in src/a.py behind one; tried again on the next tip" in behind
    assert "left out: two does not merge onto the target: conflict in src/a.py" in alone

    mending = replace(plan, settings=replace(plan.settings, repairs=2))
    mended = watched((*done, replace(conflict, behind=())), mending)
    assert "to be mended: two does not merge onto the target: conflict in src/a.py" in mended


def test_what_stops_or_moves_a_run_is_told() -> None:
    limit = journals.fail("one", at=4, outcome=Outcome.LIMITED, reason="until 5 pm")
    events = (
        *journals.begin(),
        journals.succeed("one", at=2)[0],
        limit,
        TargetMoved(tip="d" * 40, at=START + 5),
        CancelRequested(at=START + 6),
    )

    told = watched(events)

    assert "no further agent starts: until 5 pm" in told
    assert "main was moved to ddddddd by somebody else" in told
    assert "cancelled" in told


def refused() -> tuple[Event, ...]:
    """The start of a run in which the key of two agents was rejected."""
    both = [journals.succeed(task, at=2)[0] for task in ("one", "two")]
    bad = [
        journals.fail(task, at=4, outcome=Outcome.NO_ACCESS, reason="a bad key")
        for task in ("one", "two")
    ]
    return (*journals.begin(), *both, *bad)


def test_a_rejected_key_is_told_once_for_all_tasks() -> None:
    told = watched(refused())

    assert told.count("a bad key") == 1
    assert "no further agent starts: a bad key" in told
    assert "one  implement no access after 1.0s\n" in told


def test_the_report_tells_a_rejected_key_once_and_what_to_do() -> None:
    screen = Screen()
    _, report = journals.tell_story(TWO, (*refused(), journals.finish(at=5)))

    screen.console.show_report(report, FOLDER)

    assert screen.out.count("a bad key") == 1
    assert "next: mend the key, the login, the balance or the model of the agent" in screen.out
    assert f"concertmaster resume {journals.RUN}" in screen.out


def test_what_follows_a_failed_phase_is_told() -> None:
    prepared = (*journals.begin(), journals.succeed("one", at=2)[0])
    failed = journals.fail("one", at=4, reason="exit 1")

    assert watched((*prepared, failed)).endswith("exit 1; the task will be tried again\n")
    sent_back = watched((*prepared, replace(failed, evidence="the end of the log")))
    assert sent_back.endswith("exit 1; the work goes back to the agent\n")
    limited = replace(failed, outcome=Outcome.LIMITED, resumes_at=START + 10)
    plan = make_plan()
    patient = replace(plan, settings=replace(plan.settings, longest_pause_seconds=None))
    assert "exit 1; it goes on after the pause\n" in watched((*prepared, limited), patient)


def test_a_run_that_stops_before_its_end_is_not_called_over() -> None:
    limit = journals.fail("one", at=4, outcome=Outcome.OVER_BUDGET, reason="the budget is used up")
    events = (*journals.begin(), journals.succeed("one", at=2)[0], limit)

    assert "the run stops here" in watched((*events, journals.finish(at=5)))
    assert "the run has ended" in watched((*journals.begin(red="no"), journals.finish(at=5)))


def test_a_task_that_fails_for_good_blocks_what_needs_it() -> None:
    broken = journals.fail("one", at=4, outcome=Outcome.REFUSED, reason="a submodule")
    events = (*journals.begin(), journals.succeed("one", at=2)[0], broken)

    told = watched(events, make_plan())

    assert "one  implement refused after 1.0s: a submodule" in told
    assert "blocked: three needs one, which did not land" in told


def test_a_reason_steers_nothing_while_it_is_told() -> None:
    broken = journals.fail("one", at=4, reason=HOSTILE)

    told = watched((*journals.begin(), journals.succeed("one", at=2)[0], broken))

    assert steers_nothing(told)
    assert "will be tried again" in told


def test_in_a_terminal_a_live_table_shows_what_runs() -> None:
    screen = Screen(terminal=True)
    state = state_machine.fold_events(TWO, journals.begin())

    with screen.console.progress() as progress:
        progress.update(state, journals.begin()[1])
        worker = threading.Thread(target=progress.activity, args=("one", f"edits {HOSTILE}"))
        worker.start()
        worker.join()
        wait_until(lambda: "edits" in screen.err)

    for word in ("prepare", "edits", "2 running", "2 of 3 slots in use", "merge queue: "):
        assert word in screen.err
    assert "\u202e" not in screen.err
    assert "\x1b[31m" not in screen.err


WAITING = {
    "little memory": (
        [Throttled(short=Shortage.MEMORY, reason="0.4 GiB of memory is free", at=START + 3)],
        "no room: 0.4 GiB of memory is free",
    ),
    "a hostile reason": (
        [Throttled(short=Shortage.DISK, reason=HOSTILE, at=START + 3)],
        "no room: a",
    ),
    "a usage limit": (
        [
            journals.succeed("one", at=2)[0],
            replace(
                journals.fail("one", at=4, outcome=Outcome.LIMITED),
                resumes_at=time.time() + 2.99 * 3600,
            ),
        ],
        "usage limit: the run goes on in 2h",
    ),
}


@pytest.mark.parametrize(("events", "words"), WAITING.values(), ids=WAITING)
def test_the_live_table_shows_what_the_run_waits_for(events: list[Event], words: str) -> None:
    screen = Screen(terminal=True)
    settings = replace(TWO.settings, longest_pause_seconds=None)
    state = state_machine.begin_run(replace(TWO, settings=settings))
    for event in (*journals.begin(), *events):
        state, _ = state_machine.handle(state, event)

    with screen.console.progress() as progress:
        progress.update(state, journals.begin()[1])
        wait_until(lambda: words in screen.err)

    assert words in screen.err
    assert "\u202e" not in screen.err
    assert "\x1b[31m" not in screen.err


def test_in_a_terminal_what_is_over_stays_above_the_table() -> None:
    screen = Screen(terminal=True)

    screen.watch(journals.one_lands_two_breaks_the_check(), make_plan())

    assert "culprit: two passes on its own base, but not on the target" in screen.err
    assert "implement finished" not in screen.err


def test_a_reader_that_went_away_does_not_end_the_run() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    console = Console(io.StringIO(), Gone(), terminal=False, json=False)
    state = state_machine.begin_run(TWO)

    with console.progress() as progress:
        progress.update(state, journals.begin()[0])


@pytest.mark.parametrize("terminal", [False, True])
def test_a_report_tells_where_it_lies_and_what_to_do_next(terminal: bool) -> None:
    screen = Screen(terminal=terminal)
    _, report = journals.tell_story(make_plan(), journals.one_lands_two_breaks_the_check())

    screen.console.show_report(report, FOLDER)

    for word in ("left out", "landed", "$0.75", "/runs/one/report.html", "3 ran", "Makefile"):
        assert word in screen.out
    assert f"git diff two-prepare concertmaster/{journals.RUN}/two" in screen.out
    assert screen.err == ""


def test_the_status_of_a_run_that_goes_on_does_not_offer_to_resume_it() -> None:
    _, report = journals.tell_story(TWO, journals.begin())
    going, dead = Screen(), Screen()

    going.console.show_status(report, FOLDER, running=True)
    dead.console.show_status(report, FOLDER, running=False)

    assert "resume" not in going.out
    assert f"concertmaster resume {journals.RUN}" in dead.out


def test_with_json_stdout_holds_one_document_and_progress_is_silent() -> None:
    screen = Screen(terminal=True, json=True)
    events = journals.one_lands_two_breaks_the_check()

    screen.watch(events, make_plan())
    screen.console.line("a line")
    screen.console.note("a note")
    screen.console.show_report(journals.tell_story(make_plan(), events)[1], FOLDER)

    assert json.loads(screen.out)["folder"] == "/runs/one"
    assert screen.err == ""


def test_an_error_says_what_why_and_what_next() -> None:
    screen = Screen()

    screen.console.error(Error("no \x1b[31magent", why="none found", next_step="install one"))

    assert screen.err.splitlines() == [
        "error: no agent",
        "why: none found",
        "next: install one",
    ]
    assert screen.out == ""


def test_with_json_an_error_is_the_document_unless_there_is_one() -> None:
    alone, behind = Screen(json=True), Screen(json=True)

    alone.console.error(Error("no agent"))
    behind.console.show_plan(make_plan())
    behind.console.error(Error("no agent"))

    assert json.loads(alone.out)["error"]["what"] == "no agent"
    assert "error" not in json.loads(behind.out)


def test_outside_a_terminal_rich_is_never_loaded() -> None:
    program = (
        "import io, sys\n"
        "from concertmaster.terminal.console import Console\n"
        "from tests.journals import make_plan\n"
        "Console(io.StringIO(), io.StringIO(), terminal=False, json=False).show_plan(make_plan())\n"
        "sys.exit('rich' in sys.modules)\n"
    )
    root = Path(__file__).parents[3]
    places = f"import sys; sys.path[:0] = [{str(root / 'src')!r}, {str(root)!r}]\n"

    done = subprocess.run([sys.executable, "-c", places + program], check=False)

    assert done.returncode == 0


@pytest.mark.parametrize("terminal", [False, True])
def test_a_full_report_tells_what_each_phase_took(terminal: bool) -> None:
    screen, brief = Screen(terminal=terminal), Screen(terminal=terminal)
    one = journals.succeed("one", at=2, cost=0.5, estimated=True)
    _, report = journals.tell_story(make_plan(), (*journals.begin(), *one))

    screen.console.show_report(report, FOLDER, is_full=True)
    brief.console.show_report(report, FOLDER)

    for word in ("~$0.50", "1,200", "session-of-one", "deliver"):
        assert word in screen.out
    assert "session-of-one" not in brief.out
    assert "by phase: implement ~$0.50" in brief.out


@pytest.mark.parametrize("terminal", [False, True])
def test_a_report_tells_where_the_drafts_of_follow_ups_lie(terminal: bool) -> None:
    screen = Screen(terminal=terminal)
    one = journals.succeed("one", at=2, follow_ups=("Use one clock", f"Mend {HOSTILE}"))
    _, report = journals.tell_story(make_plan(), (*journals.begin(), *one))

    screen.console.show_report(report, FOLDER)

    assert "follow-ups: 2 drafts in /runs/one/follow-ups" in screen.out
    assert f"{report.follow_ups[0].file}: Use one clock (one)" in screen.out
    assert "\u202e" not in screen.out
    assert screen.out.count("\x1b[31m") == 0
