"""Estimates of time and cost from past tasks."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.model import RunSettings, TaskState, Usage
from concertmaster.planning.estimates import (
    HIGHEST_COST_USD,
    LEAST_SAMPLES,
    LONGEST_SECONDS,
    MOST_SAMPLES,
    Estimate,
    Profile,
    Sample,
    estimate_task,
    has_worked,
    learn_samples,
    predict_cost,
    profile_of,
    say_cost,
)
from concertmaster.planning.explain import describe_plan, summarise_estimate
from concertmaster.report import summary
from concertmaster.rounds.history import History, TaskHistory, begin_history, recall_history
from concertmaster.settings.choices import LEAN_PHASES, Phase
from tests import journals
from tests.journals import make_plan, make_task

NEXT = Profile(prompt="next.md", paths=0, agent="claude", phases=LEAN_PHASES)  # a guess of 600 s


def sample(
    seconds: float,
    *,
    cost: float | None = None,
    prompt: str = "past.md",
    paths: int = 0,
    agent: str = "claude",
    phases: tuple[Phase, ...] = LEAN_PHASES,
    run: str = "one",
    at: float = 1.0,
) -> Sample:
    profile = Profile(prompt=prompt, paths=paths, agent=agent, phases=phases)
    return Sample(run=run, at=at, profile=profile, seconds=seconds, cost_usd=cost)


def foretell(*samples: Sample, profile: Profile = NEXT, given: float | None = None) -> Estimate:
    return estimate_task(profile, learn_samples(samples), given=given)


def many(*seconds: float) -> list[Sample]:
    return [sample(one) for one in seconds]


# --- sources of an estimate --------------------------------------------------

FULL = tuple(Phase)
ROWS: dict[str, tuple[list[Sample], float, str]] = {
    "nothing is measured": ([], 600, "the size of the footprint (nothing is measured yet)"),
    "two are too few": (
        many(60, 60),
        600,
        "the size of the footprint (only 2 tasks of 1 past run to learn from)",
    ),
    "three of its agent and phases": (
        [sample(60), sample(90, run="two"), sample(6000)],
        90,
        "the median of 3 tasks of 2 past runs (0.15 x the guess by size)",
    ),
    "a task is compared with the guess for its own size": (
        [sample(1200, paths=10)] * 3,
        600,
        "the median of 3 tasks of 1 past run (1 x the guess by size)",
    ),
    "another agent counts where its own is too new": (
        [*many(60, 60), *[sample(6600, agent="codex")] * 3],
        6600,
        "the median of 5 tasks of 1 past run of any agent and phases (11 x the guess by size)",
    ),
    "other phases are another kind of work": (
        [*many(60, 60, 60), *[sample(6000, phases=FULL)] * 5],
        60,
        "the median of 3 tasks of 1 past run (0.1 x the guess by size)",
    ),
    "its own times go before those of others": (
        [*many(60, 60, 60), *[sample(s, prompt="next.md") for s in (300, 320, 9000)]],
        320,
        "the median of its own 3 past times",
    ),
    "two own times are too few": (
        [*many(60, 60, 60), *[sample(6000, prompt="next.md")] * 2],
        60,
        "the median of 5 tasks of 1 past run (0.1 x the guess by size)",
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_an_estimate_is_of_what_is_most_like_the_task(
    row: tuple[list[Sample], float, str],
) -> None:
    samples, seconds, reason = row
    found = foretell(*samples)

    assert found.seconds == pytest.approx(seconds)
    assert found.reason == reason


def test_the_author_s_estimate_wins_for_the_time_and_not_for_the_cost() -> None:
    found = foretell(*[sample(60, cost=0.5)] * 3, given=7.0)

    assert (found.seconds, found.reason) == (7.0, "front matter")
    assert found.cost_usd == pytest.approx(0.5)


def test_a_larger_task_takes_and_costs_more() -> None:
    small = foretell(*[sample(60, cost=0.5)] * 3)
    large = foretell(*[sample(60, cost=0.5)] * 3, profile=replace(NEXT, paths=10))

    assert large.seconds == pytest.approx(2 * small.seconds)
    assert large.cost_usd == pytest.approx(1.0)
    assert foretell(profile=replace(NEXT, paths=99)).seconds == 1200


# --- cost ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "cost"),
    [
        ([], None),
        (many(60, 60, 60), None),
        ([sample(60, cost=1.0)] * 2, None),
        ([sample(60, cost=1.0)] * 2 + many(60, 60, 60), None),
        ([sample(60, cost=cost) for cost in (0.5, 1.0, 90.0)], 1.0),
        ([sample(60, cost=0.0)] * 3, 0.0),
        ([sample(60, cost=1.0, agent="codex")] * 9, None),
        ([sample(60, cost=1.0)] * 9 + [sample(60, cost=3.0, prompt="next.md")] * 3, 3.0),
    ],
)
def test_a_cost_is_told_only_by_tasks_of_the_same_agent_and_phases(
    samples: list[Sample], cost: float | None
) -> None:
    found = foretell(*samples).cost_usd

    assert found == (None if cost is None else pytest.approx(cost))


@pytest.mark.parametrize(
    ("costs", "known", "said"),
    [
        ([], None, ""),
        ([None], None, ""),
        ([1.0, 2.5], 3.5, "$3.50"),
        ([1.0, None], 1.0, "at least $1.00"),
        ([0.0], 0.0, "$0.00"),
    ],
)
def test_of_a_sum_that_lacks_some_only_the_least_is_said(
    costs: list[float | None], known: float | None, said: str
) -> None:
    tasks = [replace(make_task("one"), estimate_cost_usd=cost) for cost in costs]

    assert predict_cost(tasks) == known
    assert say_cost(costs) == said


def test_a_plan_counts_its_estimates_by_what_they_are_from() -> None:
    one, two, three = (make_task(key) for key in ("one", "two", "three"))
    tasks = [
        replace(one, estimate_reason="front matter", estimate_cost_usd=1.5),
        replace(two, estimate_reason="the median of its own 3 past times"),
        replace(three, estimate_reason="the median of its own 3 past times"),
    ]

    told = [*describe_plan(make_plan(tasks=tasks))]

    sources = "2 by the median of its own 3 past times; 1 by front matter"
    assert f"source of the estimates: {sources}" in told
    assert "predicted cost: at least $1.50 (nothing tells what 2 tasks will cost)" in told
    assert [summarise_estimate(task) for task in tasks] == ["1m 00s, $1.50", "1m 00s", "1m 00s"]


def test_a_plan_that_was_made_before_reasons_were_kept_says_none() -> None:
    told = [*describe_plan(make_plan())]

    assert not any(line.startswith("source of the estimates") for line in told)


def test_a_report_names_the_predicted_cost_beside_the_measured_one() -> None:
    one = replace(make_task("one"), estimate_cost_usd=0.75)
    events = (*journals.begin(), *journals.succeed("one", at=2, cost=0.5))
    _, report = journals.tell_story(make_plan(tasks=[one]), events)

    assert dict(summary.facts(report))["cost"] == "$0.50 (predicted $0.75)"
    assert report.tasks[0].estimate_cost_usd == 0.75


# --- samples --------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.0, -1.0, LONGEST_SECONDS, math.nan, math.inf, -math.inf])
def test_times_that_no_task_takes_teach_nothing(seconds: float) -> None:
    assert learn_samples([sample(seconds)] * 9) == ()


@pytest.mark.parametrize("cost", [-0.01, HIGHEST_COST_USD, math.nan, math.inf])
def test_costs_that_no_task_has_teach_nothing(cost: float) -> None:
    assert learn_samples([sample(60, cost=cost)] * 9) == ()


@pytest.mark.parametrize("at", [math.nan, math.inf])
def test_moments_that_are_none_teach_nothing(at: float) -> None:
    assert learn_samples([sample(60, at=at)] * 9) == ()


def test_only_the_newest_count() -> None:
    old = [sample(9000, at=float(at), run="old") for at in range(200)]
    new = [sample(60, at=1000.0 + at, run="new") for at in range(MOST_SAMPLES)]

    found = foretell(*new, *old)

    assert found.seconds == pytest.approx(60)
    assert "60 tasks of 1 past run " in found.reason


@pytest.mark.parametrize("state", TaskState)
def test_only_tasks_teach_that_worked_and_changed_something(state: TaskState) -> None:
    worked = state in (TaskState.SUCCEEDED, TaskState.LANDED, TaskState.AWAITING_MERGE)

    assert has_worked(state, head="c" * 40) is worked
    assert not has_worked(state, head="")


def test_a_profile_names_the_agent_and_the_phases_that_the_run_settles() -> None:
    settings = RunSettings(agent="claude", phases=(Phase.REVIEW,))
    task = make_task("one", paths=["a.py", "b.py"])

    plain = profile_of(task, settings)
    chosen = profile_of(replace(task, agent="codex", phases=(Phase.TEST,)), settings)

    phases = (*LEAN_PHASES[:3], Phase.REVIEW, Phase.DELIVER)
    assert plain == Profile(prompt="prompts/one.md", paths=2, agent="claude", phases=phases)
    assert (chosen.agent, chosen.phases) == ("codex", LEAN_PHASES)


def test_a_history_tells_of_the_tasks_that_worked() -> None:
    plan = make_plan(tasks=[make_task("one"), make_task("two"), make_task("three")])
    history = begin_history(
        replace(plan, settings=replace(plan.settings, made_at=77)),
        trigger="c5",
        parent=1,
        parent_is_ours=False,
        children={},
        options={},
        requester="",
    )
    one, two, three = history.tasks.values()
    done = replace(
        one, state=TaskState.LANDED, head="c" * 40, seconds=90.0, usage=Usage(cost_usd=1.0)
    )
    history = _put(history, done, replace(two, state=TaskState.FAILED, seconds=5.0), three)

    (told,) = recall_history(history)

    assert (told.run, told.at, told.seconds, told.cost_usd) == (plan.run, 77, 90.0, 1.0)
    assert told.profile == profile_of(plan.tasks[0], plan.settings)
    assert [
        *recall_history(_put(history, replace(done, profile=None)))
    ] == []  # of a version that kept no profile


def _put(history: History, *tasks: TaskHistory) -> History:
    for task in tasks:
        history = history.put(task)
    return history


# --- robustness --------------------------------------------------------------------

ANY_NUMBER = st.floats() | st.sampled_from([0.0, -1.0, 5e-324, 1e308, LONGEST_SECONDS])
PROFILES = st.builds(
    Profile,
    prompt=st.sampled_from(["next.md", "past.md"]),
    paths=st.integers(-5, 10**12),
    agent=st.sampled_from(["claude", "codex", ""]),
    phases=st.sampled_from([LEAN_PHASES, FULL]),
)
SAMPLES = st.builds(
    Sample,
    run=st.sampled_from("abc"),
    at=ANY_NUMBER,
    profile=PROFILES,
    seconds=ANY_NUMBER | st.floats(0.1, 1e5),
    cost_usd=st.none() | ANY_NUMBER | st.floats(0, 100),
)


@given(st.lists(SAMPLES, max_size=80), PROFILES)
def test_an_estimate_is_a_bounded_number_whatever_the_past_says(
    samples: list[Sample], profile: Profile
) -> None:
    found = foretell(*samples, profile=profile)

    assert 0 < found.seconds <= LONGEST_SECONDS
    assert found.cost_usd is None or 0 <= found.cost_usd <= HIGHEST_COST_USD
    assert "nan" not in found.reason
    assert len(learn_samples(samples)) <= MOST_SAMPLES


@given(st.lists(SAMPLES, max_size=80), PROFILES, st.randoms(use_true_random=False))
def test_the_order_in_which_the_past_is_told_does_not_matter(
    samples: list[Sample], profile: Profile, chance: random.Random
) -> None:
    mixed = [*samples]
    chance.shuffle(mixed)

    assert foretell(*mixed, profile=profile) == foretell(*samples, profile=profile)


@given(
    st.lists(st.floats(10, 1000), min_size=9, max_size=9),
    st.floats(0.001, LONGEST_SECONDS, exclude_max=True),
)
def test_one_outlier_of_ten_moves_an_estimate_no_further_than_to_a_neighbour_of_the_median(
    seconds: list[float], outlier: float
) -> None:
    ranked = sorted(seconds)
    found = foretell(*many(*seconds, outlier)).seconds

    assert ranked[3] * (1 - 1e-9) <= found <= ranked[5] * (1 + 1e-9)


def test_a_fifth_of_wild_outliers_leaves_an_estimate_within_a_third_of_the_truth() -> None:
    """Most samples are near their usual time; some agents hang or give up at once."""
    chance = random.Random(7)
    for true in (20.0, 400.0, 5000.0):
        usual = [true * math.exp(chance.gauss(0, 0.35)) for _ in range(24)]
        wild = [chance.choice([0.2, true * 40]) for _ in range(6)]

        found = foretell(*many(*usual, *wild)).seconds

        assert found == pytest.approx(true, rel=0.33)


def test_the_fewest_that_teach_bear_one_outlier() -> None:
    assert LEAST_SAMPLES == 3
    assert foretell(*many(50, 55, 100_000)).seconds == pytest.approx(55)
