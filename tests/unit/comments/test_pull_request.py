from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.comments import failure_issue, pull_request, round_report
from concertmaster.github.slash_command import CommandVerb, SlashCommand, read_comment
from concertmaster.model import Built, Outcome, Skipped, TaskState, Usage
from concertmaster.rounds.history import Due, History, TaskHistory, by_name
from concertmaster.rounds.verdict import Verdict, VerdictStep
from concertmaster.text.markdown import BODY_LIMIT
from concertmaster.text.marks import Mark, read_marks
from tests.rendering import faults, render
from tests.unit.text.test_markdown import hostile

RUN = "20260101-120000-ab12"
PARENT, CHILD, PULL, FAILURES = 9001, 9002, 9003, 9004  # numbers that no hostile text contains
COMMIT = "abcdef9" * 5 + "00000"
SPEED = round_report.Speed(
    agent_seconds=11_400,
    check_seconds=300,
    wall_seconds=3480,
    usage=Usage(cost_usd=4.2, input_tokens=11_000, output_tokens=1000),
)

LANDED = TaskHistory(
    task="login-3f2a",
    title="Add a login page",
    prompt="prompts/login.md",
    blob="0" * 40,
    state=TaskState.LANDED,
    outcome=Outcome.SUCCEEDED,
    attempts=1,
    head=COMMIT,
    landed_as=COMMIT,
    branch="concertmaster/r/login-3f2a",
    issue=CHILD,
    pull=PULL,
    seconds=90.0,
    usage=Usage(cost_usd=1.5),
)
FAILED = replace(
    LANDED,
    task="pay-3f2b",
    title="Pay",
    state=TaskState.FAILED,
    outcome=Outcome.TIMED_OUT,
    reason="no end after 45m",
    head="",
    landed_as="",
    pull=0,
    evidence="one\ntwo",
    usage=Usage(),
)
WAITING = replace(
    LANDED, task="make-3f2c", state=TaskState.AWAITING_MERGE, landed_as="", sensitive=("Makefile",)
)
HISTORY = History(
    run=RUN,
    round=2,
    trigger="comment-1",
    parent=PARENT,
    base="c" * 40,
    target="main",
    tasks=by_name([LANDED, FAILED]),
)
VERDICT = Verdict(
    run=RUN,
    round=2,
    target="main",
    tip="c" * 40,
    git_version="2.44.0",
    steps=(VerdictStep(tasks=("login-3f2a",), tip="c" * 40, commit=COMMIT, tree="d" * 40),),
)


def closed_by(body: str) -> list[str]:
    keyword = r"(?i)\b(?:close|fixe?|resolve)[sd]?:?\s+"
    return re.findall(rf"{keyword}((?:[\w.-]+/[\w.-]+)?#\d+|gh-\d+|https?://\S+)", body)


def report(history: History, verdict: Verdict | None = None, **changes: object) -> str:
    options = {"speed": SPEED, **changes}
    return round_report.report_comment(history, verdict, **options)  # type: ignore[arg-type]


def test_a_pull_request_says_what_it_is_and_closes_its_issue() -> None:
    body = pull_request.pull_body(HISTORY, LANDED, closes=True, together=["login-3f2a", "a-1"])

    assert pull_request.pull_title(LANDED) == "Add a login page"
    assert read_marks(body) == (Mark(run=RUN, task="login-3f2a", kind="pull"),)
    assert closed_by(body) == [f"#{CHILD}"]
    assert f"`{RUN}` of #{PARENT}" in body
    assert "The check passed on the merge with `a-1`" in body
    assert "1m 30s in 1 attempt, for $1.50" in body


def test_a_pull_request_names_the_files_of_its_change() -> None:
    many = [f"src/{number}.py" for number in range(30)]
    hostile = ["@octo/`x`.md", "a\n# b"]

    assert "It changes" not in pull_request.pull_body(HISTORY, LANDED, closes=True)
    body = pull_request.pull_body(HISTORY, LANDED, closes=True, changed=many)
    assert "- It changes `src/0.py`, `src/1.py`" in body
    assert "`src/19.py` and 10 more.\n" in body
    told = pull_request.pull_body(HISTORY, LANDED, closes=False, changed=hostile)
    assert "- It changes ``@octo/`x`.md``, `a # b`.\n" in told


def test_a_pull_request_that_does_not_close_names_no_issue_to_close() -> None:
    assert closed_by(pull_request.pull_body(HISTORY, LANDED, closes=False)) == []
    assert closed_by(pull_request.pull_body(HISTORY, replace(LANDED, issue=0), closes=True)) == []


def test_a_pull_request_for_a_person_says_why() -> None:
    body = pull_request.pull_body(HISTORY, WAITING, closes=True)

    assert "A person has to merge this. It changes `Makefile`" in body


def test_the_title_of_a_pull_request_closes_nothing_when_it_becomes_a_commit() -> None:
    assert (
        pull_request.pull_title(replace(LANDED, title="Fix #12 [skip ci]")) == "Fix # 12 (skip ci)"
    )
    assert pull_request.pull_title(replace(LANDED, title="")) == "login-3f2a"


def test_the_pull_request_of_a_run_closes_each_child_and_says_why_there_is_one() -> None:
    second = replace(LANDED, task="b-1", issue=9009)
    body = pull_request.run_pull_body(
        HISTORY, VERDICT, landed=[LANDED, second], reason="a rule of `main` forbids pushes"
    )

    assert read_marks(body) == (Mark(run=RUN, kind="run-pull"),)
    assert closed_by(body) == [f"#{CHILD}", "#9009"]
    assert "because a rule of `main` forbids pushes." in body
    assert "The check passed on abcdef9" in body
    assert "The check passed" not in pull_request.run_pull_body(
        HISTORY, replace(VERDICT, steps=()), landed=[], reason=""
    )


def test_the_pull_request_of_the_memory_says_what_it_changes() -> None:
    body = pull_request.memory_pull_body(HISTORY)

    assert read_marks(body) == (Mark(run=RUN, kind="memory-pull"),)
    assert RUN in pull_request.memory_pull_title(HISTORY)
    assert "`.github/Memory.md` and nothing else" in body


def test_a_report_says_what_landed_and_what_it_took() -> None:
    history = replace(HISTORY, failure_issue=FAILURES)
    text = report(history, replace(VERDICT, flaky=("a-1",), stopped="the job's time is up"))

    assert read_marks(text) == (Mark(run=RUN, kind="report-2"),)
    assert "### 1 of 2 tasks landed on `main`, 1 did not land" in text
    assert "The round took 58m 00s. In it agents worked 3h 10m" in text
    assert "Cost: $4.20, 12,000 tokens." in text
    assert f"| #{CHILD} | landed | #{PULL} abcdef9 | 1m 30s | $1.50 |" in text
    assert f"| #{CHILD} | ran out of time | `concertmaster/r/login-3f2a` |" in text
    assert f"- #{FAILURES} lists the failures" in text
    assert "`/orchestrate retry`" in text
    assert "flaky: it failed and then passed without a change (`a-1`)" in text
    assert "the job's time is up" in text


def test_what_nobody_measured_is_not_told() -> None:
    unknown = replace(SPEED, usage=Usage(), wall_seconds=0)

    assert "Cost: unknown." in report(HISTORY, speed=unknown)
    assert "agents worked" not in report(HISTORY, speed=None)
    assert "at unknown cost" in pull_request.pull_body(HISTORY, FAILED, closes=False)


def test_a_report_says_what_comes_next() -> None:
    due = Due(round=3, at=1_767_268_800.0, reason="a usage limit ends")
    history = replace(HISTORY, tasks=by_name([WAITING]), due=due)
    text = report(history, notes=["No checks run by the token."])

    assert "0 of 1 task landed on `main`, 1 waits for a merge (" in text
    assert f"- #{PULL} waits for somebody to merge it." in text
    assert "- Round 3 is due at 2026-01-01 12:00 UTC (a usage limit ends)" in text
    assert "- No checks run by the token.\n" in text


def test_a_complete_run_asks_for_nothing() -> None:
    text = report(replace(HISTORY, tasks=by_name([LANDED])))

    assert "**Next**" not in text
    assert "retry" not in text


def test_a_task_without_a_change_is_said_to_have_none() -> None:
    done = replace(LANDED, state=TaskState.SUCCEEDED, head="")
    text = report(replace(HISTORY, tasks=by_name([done])))

    assert "nothing to change" in text


def test_a_report_folds_away_what_agents_saw_beside_their_task() -> None:
    stated = ("Mend @octo, closes #1", *(f"Thing {n}" for n in range(12)))
    seen = replace(LANDED, follow_ups=stated[:2]), replace(FAILED, follow_ups=stated)
    body = report(replace(HISTORY, tasks=by_name(seen)))

    assert "<details><summary>10 follow-ups, not started</summary>\n\n" in body
    assert "- Mend `@octo`, closes `#1` (from `login-3f2a`, `pay-3f2b`)\n" in body
    assert "- Thing 8 (from `pay-3f2b`)\n" in body
    assert body.endswith("\n</details>")
    assert closed_by(body) == []
    assert "<details>" not in report(HISTORY)


def test_the_summary_is_the_report_without_its_mark() -> None:
    text = report(HISTORY)

    assert text.partition("\n")[2] == round_report.summary_markdown(HISTORY, None, speed=SPEED)


@pytest.mark.matrix
def test_a_report_of_many_tasks_keeps_what_comes_next() -> None:
    many = [replace(FAILED, task=f"pay-{n}", reason="x y " * 50) for n in range(800)]
    short = report(replace(HISTORY, tasks=by_name(many[:200])))
    cut = report(replace(HISTORY, tasks=by_name(many)))

    assert all(f"`{one.task}`" in short for one in many[:200])
    assert "There is no room here for" in cut
    for text in (short, cut):
        assert len(text) <= BODY_LIMIT
        assert "comment `/orchestrate retry`" in text


def test_the_failure_issue_tells_why_where_and_how_to_retry() -> None:
    title, body = failure_issue.failure_issue(HISTORY)

    assert title == f"1 task did not land (run {RUN})"
    assert read_marks(body) == (Mark(run=RUN, kind="failure"),)
    assert f"comment `/orchestrate retry` on #{PARENT}" in body
    assert "`/orchestrate retry pay-3f2b`" in body
    assert "ran out of time: no end after 45m" in body
    assert "- work: `concertmaster/r/login-3f2a`" in body
    assert "```text\none\ntwo\n```" in body
    assert "login-3f2a`)" not in body


def test_the_retry_that_the_failure_issue_names_is_understood() -> None:
    _, body = failure_issue.failure_issue(HISTORY)

    for written in re.findall(r"`(/orchestrate [^`]*)`", body):
        order = read_comment(written)
        assert isinstance(order, SlashCommand)
        assert order.verb is CommandVerb.RETRY


def test_what_is_left_over_fails_only_when_no_round_is_to_come() -> None:
    left = replace(FAILED, state=TaskState.WAITING, outcome=None)
    history = replace(HISTORY, tasks=by_name([LANDED, left, WAITING]))

    assert history.failures == (left,)
    assert replace(history, due=Due(round=3, at=0.0, reason="limit")).failures == ()


def test_long_evidence_is_shortened_alike_and_its_end_stays() -> None:
    tasks = by_name(
        replace(FAILED, task=f"pay-{n}", evidence=f"{'x' * 99_999}\nend of {n}") for n in range(30)
    )
    _, body = failure_issue.failure_issue(replace(HISTORY, tasks=tasks))

    assert len(body) <= BODY_LIMIT
    assert all(f"end of {n}\n" in body for n in range(30))
    assert len({len(block) for block in re.findall(r"x+", body) if len(block) > 9}) <= 2


@pytest.mark.parametrize("number", [100, pytest.param(400, marks=pytest.mark.matrix)])
def test_the_failure_issue_of_many_tasks_keeps_the_how_to(number: int) -> None:
    tasks = by_name(replace(FAILED, task=f"pay-{n}", evidence="x" * 999) for n in range(number))
    _, body = failure_issue.failure_issue(replace(HISTORY, tasks=tasks))

    assert len(body) <= BODY_LIMIT
    assert f"on #{PARENT}" in body
    assert ("There is no room here for" in body) == (number == 400)


def test_the_lines_for_a_dispatch_are_yaml_with_all_inputs() -> None:
    text = pull_request.dispatch_help(".github/workflows/orchestra.yml")
    [block] = [token.content for token in render(text) if token.type == "fence"]

    inputs = yaml.safe_load(block)[True]["workflow_dispatch"]["inputs"]

    assert set(inputs) == {"run", "round", "issue"}
    assert faults(pull_request.dispatch_help("`@octo` <b>").partition("```yaml")[0]) == []


# A few texts fill all places that others write, as drawing one for each place is slow.
texts = st.lists(hostile, min_size=1, max_size=4)
amounts = st.sampled_from([0.0, 1.5, 90.0, 7e6, float("inf"), float("nan")])


def tell_task(
    written: list[str],
    state: TaskState,
    outcome: Outcome | None,
    cost: float | None,
    *,
    is_linked: bool,
) -> TaskHistory:
    deal = cycle(written)
    many = tuple(written[:2])
    return TaskHistory(
        task="b-3f2b" if is_linked else "a-3f2a",
        title=next(deal),
        prompt=next(deal),
        blob=next(deal),
        state=state,
        reason=next(deal),
        outcome=outcome,
        attempts=len(written),
        built_on=(Built(task=next(deal), head=next(deal)),),
        head=next(deal),
        landed_as=next(deal),
        branch=next(deal),
        sensitive=many,
        issue=CHILD if is_linked else 0,
        pull=PULL if is_linked else 0,
        evidence=next(deal),
        notes=many,
        said=next(deal),
        follow_ups=many,
        seconds=cost or 0.0,
        usage=Usage(cost_usd=cost),
    )


task_histories = st.builds(
    tell_task,
    texts,
    st.sampled_from(TaskState),
    st.none() | st.sampled_from(Outcome),
    st.none() | amounts,
    is_linked=st.booleans(),
)


def tell_history(
    written: list[str], tasks: list[TaskHistory], due: float | None, *, is_linked: bool
) -> History:
    deal = cycle(written)
    return History(
        run=RUN,
        round=len(written),
        trigger=next(deal),
        parent=PARENT if is_linked else 0,
        base=next(deal),
        target=next(deal),
        requester=next(deal),
        tasks=by_name(tasks),
        skipped=(Skipped(prompt=next(deal), task=next(deal), reason=next(deal)),),
        due=None if due is None else Due(round=2, at=due, reason=next(deal)),
        failure_issue=FAILURES if is_linked else 0,
        pull=PULL if is_linked else 0,
        memory_pull=PULL if is_linked else 0,
    )


histories = st.builds(
    tell_history,
    texts,
    st.lists(task_histories, max_size=2),
    st.none() | amounts,
    is_linked=st.booleans(),
)


def tell_verdict(written: list[str], base_green: bool | None) -> Verdict:
    deal = cycle(written)
    return replace(
        VERDICT,
        target=next(deal),
        tip=next(deal),
        base_green=base_green,
        base_reason=next(deal),
        flaky=tuple(written[:2]),
        stopped=next(deal),
    )


verdicts = st.builds(tell_verdict, texts, st.none() | st.booleans())


FOLDED = r"\n<details><summary>\d+ follow-ups?, not started</summary>\n(.*)\n</details>"


def living(body: str) -> list[str]:
    """Return what acts in a body, without our mark, numbers and commit, and its one table."""
    text = body.partition("\n")[2]
    ours = re.sub(FOLDED, r"\1", text, flags=re.DOTALL)
    ours = re.sub(r"#900\d|\$(?:[\d.]+|inf|nan)|\babcdef9\b", "", ours)
    return [fault for fault in faults(ours) if not fault.startswith("table_open")]


BODIES: dict[str, Callable[[History, Verdict, TaskHistory], str]] = {
    "pull": lambda h, _, one: pull_request.pull_body(
        h, one, closes=True, together=[one.title, one.prompt]
    ),
    "run-pull": lambda h, v, one: pull_request.run_pull_body(
        h, v, landed=[*h.tasks.values()], reason=one.reason
    ),
    "memory-pull": lambda h, *_: pull_request.memory_pull_body(h),
    "failure": lambda h, *_: failure_issue.failure_issue(h)[1],
    "report": lambda h, v, _: report(h, v),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@given(histories, verdicts, task_histories)
def test_whatever_others_wrote_does_nothing(
    body: Callable[[History, Verdict, TaskHistory], str],
    history: History,
    verdict: Verdict,
    one: TaskHistory,
) -> None:
    text = body(history, verdict, one)

    assert living(text) == []
    assert set(closed_by(text)) <= {f"#{CHILD}"}
    assert len(read_marks(text)) == 1
    assert read_comment(text) is None
    assert len(text) <= BODY_LIMIT
    rows = [len([t for t in line if t == "td_open"]) for line in rows_of(text)]
    assert set(rows) <= {7}


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of each row of the tables in a body."""
    rows: list[list[str]] = []
    for token in render(text):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "td_open":
            rows[-1].append(token.type)
    return [row for row in rows if row]


@given(task_histories, histories)
def test_a_title_is_plain_text_that_does_nothing(one: TaskHistory, history: History) -> None:
    titles = (
        pull_request.pull_title(one),
        pull_request.run_pull_title(history),
        pull_request.memory_pull_title(history),
        failure_issue.failure_issue(history)[0],
    )

    for title in titles:
        assert 0 < len(title) <= 256
        assert "\n" not in title
        assert not re.search(r"#\d|(?<!\w)@\w|://|\[skip ci\]", title)
