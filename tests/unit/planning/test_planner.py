"""Plans from prompts and footprints."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.errors import UsageError
from concertmaster.insight.calibration import Calibration
from concertmaster.model import FootprintEntry, Plan, Prompt, RunSettings
from concertmaster.planning.collisions import NOTHING_LEARNT
from concertmaster.planning.exclusions import worth_excluding
from concertmaster.planning.planner import Candidate, Experience, SoftOrder, make_plan


def candidate(
    path: str,
    *,
    needs: str = "",
    edits: str = "",
    completed: str = "",
    estimate: float | None = None,
    probability: float = 0.9,
) -> Candidate:
    """Return a candidate; `needs` and `edits` are names separated by blanks.

    Its id is the stem of the file.
    """
    return Candidate(
        id=path.rpartition("/")[2].removesuffix(".md"),
        prompt=Prompt(
            path=path,
            title=path,
            text="",
            needs=tuple(needs.split()),
            completed=completed,
            estimate_seconds=estimate,
        ),
        blob=f"blob {path}",
        footprint=tuple(
            FootprintEntry(path=edit, probability=probability, reason="said so")
            for edit in edits.split()
        ),
    )


def draft(*, slots: int, notes: tuple[str, ...] = ()) -> Plan:
    return Plan(
        run="run",
        base="base",
        target="main",
        slots=slots,
        settings=RunSettings(agent="command"),
        tasks=(),
        notes=notes,
    )


def plan(
    *candidates: Candidate,
    hints: str = "",
    slots: int = 4,
    learnt: Calibration = NOTHING_LEARNT,
) -> Plan:
    """`hints` such as "ba" say that b.md comes after a.md."""
    return make_plan(
        draft(slots=slots),
        candidates,
        hints=[SoftOrder(path=f"{h[0]}.md", on=f"{h[1]}.md", reason=h) for h in hints.split()],
        known=Experience(learnt=learnt),
    )


def pairs(found: Plan, *, hard: bool) -> list[str]:
    return [need.task + need.on for need in found.needs if need.hard is hard]


def apart(found: Plan) -> list[str]:
    return ["".join(exclusion.tasks) for exclusion in found.exclusions]


# --- needs -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("b.md", "a.md"),
        ("b.md", "./a.md"),
        ("x/b.md", "../a.md"),
        ("x/b.md", "a.md"),
        ("x/b.md", "other/place/a.md"),
    ],
)
def test_a_need_is_found_by_path_or_by_its_file_name(source: str, name: str) -> None:
    assert pairs(plan(candidate("a.md"), candidate(source, needs=name)), hard=True) == ["ba"]


def test_a_need_beside_the_prompt_goes_before_one_of_the_same_name_elsewhere() -> None:
    near = Candidate(
        id="near", prompt=Prompt(path="x/a.md", title="", text=""), blob="", footprint=()
    )
    found = plan(candidate("a.md"), near, candidate("x/b.md", needs="a.md"))

    assert [need.on for need in found.needs] == ["near"]


def test_two_names_of_one_need_are_one_need() -> None:
    found = plan(candidate("a.md"), candidate("b.md", needs="a.md ./a.md"))

    assert pairs(found, hard=True) == ["ba"]


def test_an_unknown_need_is_refused_with_the_name_that_may_be_meant() -> None:
    with pytest.raises(UsageError) as refused:
        plan(candidate("x/parser.md"), candidate("x/b.md", needs="praser.md"))

    assert "x/b.md" in refused.value.what
    assert "'parser.md'" in refused.value.what
    assert refused.value.next_step


def test_an_ambiguous_need_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        plan(candidate("x/a.md"), candidate("y/a.md"), candidate("z/b.md", needs="a.md"))

    assert "ambiguous" in refused.value.what


@pytest.mark.parametrize("mark", ["implemented", "completed"])
def test_a_completed_prompt_makes_no_task_and_satisfies_a_need(mark: str) -> None:
    found = plan(
        candidate("a.md", completed=mark, needs="nowhere.md"), candidate("b.md", needs="a.md")
    )

    assert [task.id for task in found.tasks] == ["b"]
    assert not found.needs
    assert [(s.prompt, s.task) for s in found.skipped] == [("a.md", "a")]
    assert mark in found.skipped[0].reason


@pytest.mark.parametrize(
    ("needs", "shown"),
    [
        ({"a": "a.md"}, {"a.md -> a.md"}),
        ({"a": "b.md", "b": "a.md"}, {"a.md -> b.md -> a.md", "b.md -> a.md -> b.md"}),
    ],
)
def test_a_cycle_of_needs_is_refused_and_shown_in_the_order_of_needing(
    needs: dict[str, str], shown: set[str]
) -> None:
    with pytest.raises(UsageError) as refused:
        plan(*(candidate(f"{name}.md", needs=on) for name, on in needs.items()))

    assert refused.value.what.partition(": ")[2] in shown


def test_a_longer_cycle_shows_each_prompt_before_what_it_needs() -> None:
    needs = {"a": "c", "b": "a", "c": "b"}
    with pytest.raises(UsageError) as refused:
        plan(*(candidate(f"{name}.md", needs=f"{on}.md") for name, on in needs.items()))

    shown = refused.value.what.partition(": ")[2].split(" -> ")
    assert all(f"{needs[task[0]]}.md" == on for task, on in pairwise(shown))


# --- order found in prose ------------------------------------------------------


def test_a_hint_orders_without_a_need() -> None:
    found = plan(candidate("a.md"), candidate("b.md"), hints="ba")

    assert (pairs(found, hard=True), pairs(found, hard=False)) == ([], ["ba"])


@pytest.mark.parametrize("hints", ["ab", "ba ab", "aa"])
def test_a_hint_that_would_close_a_cycle_is_dropped_with_a_note(hints: str) -> None:
    needs = "a.md" if hints == "ab" else ""
    found = plan(candidate("a.md"), candidate("b.md", needs=needs), hints=hints)

    assert hints[-2:] not in pairs(found, hard=False)
    assert [note.endswith(hints[-2:]) for note in found.notes] == [True]


def test_a_hint_adds_nothing_to_a_need_or_to_a_prompt_that_is_not_there() -> None:
    found = plan(candidate("a.md"), candidate("b.md", needs="a.md"), hints="ba ba xa bx")

    assert pairs(found, hard=False) == []
    assert found.notes == ()


# --- exclusions ------------------------------------------------------------------


def test_two_tasks_that_are_likely_to_collide_are_kept_apart_with_probability_and_reason() -> None:
    found = plan(candidate("a.md", edits="x y"), candidate("b.md", edits="y x z"))

    assert apart(found) == ["ab"]
    assert found.exclusions[0].probability == pytest.approx(0.81 * 0.765, abs=0.001)
    assert found.exclusions[0].reason == "both are likely to change x, y"


@pytest.mark.parametrize(
    ("edits", "probability"),
    [("x", 0.3), ("uv.lock", 1.0), ("sub/package-lock.json", 1.0)],
)
def test_tasks_that_hardly_collide_may_run_together(edits: str, probability: float) -> None:
    two = [candidate(f"{n}.md", edits=edits, probability=probability) for n in "ab"]

    assert apart(plan(*two)) == []


def test_ordered_tasks_are_not_excluded_as_well() -> None:
    found = plan(
        candidate("a.md", edits="x"),
        candidate("b.md", needs="a.md"),
        candidate("c.md", edits="x"),
        candidate("d.md", edits="x"),
        hints="cb",
    )

    assert sorted(apart(found)) == ["ad", "cd"]


def test_a_path_that_is_predicted_twice_counts_once() -> None:
    once, twice = (
        plan(candidate("a.md", edits=edits), candidate("b.md", edits=edits))
        for edits in ("x", "x x")
    )

    assert apart(once) == ["ab"]
    assert twice.exclusions == once.exclusions


def test_a_pair_is_excluded_only_where_a_collision_costs_more_than_the_wait() -> None:
    two = [candidate(f"{name}.md", edits="x", probability=0.4) for name in "ab"]
    others = [candidate(f"{name}.md", edits=name) for name in "cdefghijkl"]

    assert apart(plan(*two)) == []  # both slots would be free
    assert apart(plan(*two, *others)) == ["ab"]


def test_what_collided_less_than_expected_in_the_past_is_kept_apart_less() -> None:
    two = [candidate(f"{name}.md", edits="x") for name in "ab"]

    assert apart(plan(*two, learnt=Calibration(close={"x": (0, 3000)}))) == []
    (known,) = plan(*two, learnt=Calibration(close={"x": (300, 300)})).exclusions
    assert known.probability > plan(*two).exclusions[0].probability


@pytest.mark.parametrize(
    ("one", "other", "alike"), [("f g", "f g", True), ("f", "g", False), ("f g", "g h", True)]
)
def test_changes_of_the_same_definitions_collide_more_often(
    one: str, other: str, alike: bool
) -> None:
    def edits(path: str, names: str) -> Candidate:
        made = candidate(path, edits="x")
        shares = tuple((name, 1 / len(names.split())) for name in names.split())
        return replace(made, footprint=(replace(made.footprint[0], definitions=shares),))

    found = plan(edits("a.md", one), edits("b.md", other))

    assert bool(found.exclusions) is alike


@pytest.mark.parametrize(
    ("one", "other", "together"), [((1, 9), (50, 60), True), ((1, 9), (11, 60), False)]
)
def test_changes_far_apart_in_a_file_may_be_made_at_the_same_time(
    one: tuple[int, int], other: tuple[int, int], together: bool
) -> None:
    two = [
        replace(candidate(path, edits="x"), footprint=(replace(seen, lines=lines),))
        for path, lines in (("a.md", one), ("b.md", other))
        for seen in candidate(path, edits="x").footprint
    ]

    assert (apart(plan(*two)) == []) is together


def test_a_task_of_which_nothing_is_known_is_marked() -> None:
    found = plan(replace(candidate("a.md"), unknown=True), candidate("b.md"))

    assert [task.unknown for task in found.tasks] == [True, False]


# --- the schedule ------------------------------------------------------------------


def test_an_estimate_of_the_author_goes_before_the_guess() -> None:
    found = plan(candidate("a.md", estimate=60.0), candidate("b.md", edits="x y"), slots=1)

    assert [task.estimate_seconds for task in found.tasks] == [60.0, 720.0]
    assert found.sequential_seconds == found.makespan_seconds == 780.0


names = st.sampled_from("abcdef")


@given(
    st.dictionaries(names, st.text("xyz ", max_size=5)),
    st.lists(st.tuples(names, names), max_size=4),
    st.lists(st.tuples(names, names), max_size=4),
    st.integers(1, 4),
)
def test_every_plan_is_consistent(
    edits: dict[str, str],
    needed: list[tuple[str, str]],
    hinted: list[tuple[str, str]],
    slots: int,
) -> None:
    needs = {a: f"{b}.md" for a, b in needed if a > b and b in edits}
    found = plan(
        *(
            candidate(
                f"{name}.md", edits=" ".join(text.replace(" ", "")), needs=needs.get(name, "")
            )
            for name, text in edits.items()
        ),
        hints=" ".join(a + b for a, b in hinted),
        slots=slots,
    )

    ids = set(edits)
    assert set(found.order) == ids
    assert sorted(task for share in found.shares for task in share) == sorted(ids)
    home = {task: share for share in found.shares for task in share}
    for need in found.needs:
        assert found.order.index(need.on) < found.order.index(need.task)
        assert home[need.on] == home[need.task]
        assert need.reason
    for exclusion in found.exclusions:
        a, b = exclusion.tasks
        assert a != b
        assert home[a] == home[b]
        assert worth_excluding(len(ids), slots=slots) < exclusion.probability <= 1.0
    least, most = found.lower_bound_seconds, found.sequential_seconds
    assert least <= found.makespan_seconds + 1e-6
    assert found.makespan_seconds <= most + 1e-6
