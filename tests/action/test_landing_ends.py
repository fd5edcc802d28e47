"""How landing ends when the target moves, rules forbid the push, or people were there first."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from concertmaster.errors import EnvironmentFault
from concertmaster.model import TaskState
from concertmaster.rounds.history import TaskHistory
from concertmaster.rounds.verdict import LandingFault as Why
from tests.action.rounds import SETTINGS, House, Round
from tests.github import merging
from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.github.gatekeeper import DEFAULT_PARAMETERS
from tests.github.people import Token
from tests.github.state import Issue, MergeRequest, Pull, Review

sweep = pytest.mark.matrix
GIT, API = "/ada/opera.git", "/repos/ada/opera"
MEMORY = ".github/Memory.md"
REVIEW = {**DEFAULT_PARAMETERS["pull_request"], "required_approving_review_count": 1}
CHECKS = {
    "required_status_checks": [{"context": "ci"}],
    "strict_required_status_checks_policy": False,
}


@dataclass(slots=True, kw_only=True)
class Meanwhile(Fault):
    """Nothing goes wrong, but somebody does something just before the n-th call that fits."""

    effect: Effect = Effect.NOT_FOUND
    act: Callable[[], object] = field(default=lambda: None)

    def strikes(self) -> bool:
        self.seen += 1
        if self.seen == self.nth:
            self.act()
        return False


@pytest.fixture
def build(double: Double, tmp_path: Path) -> Callable[..., House]:
    def make(**settings: str) -> House:
        prompts = {
            name: f"# Write {name}\n\nwrite {name}.txt {name}\n" for name in ("apple", "pear")
        }
        more = "".join(f"{key}: {value}\n" for key, value in settings.items())
        return House.build(double, tmp_path, prompts, settings=SETTINGS + more)

    return make


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    return build()


# --- what people do ----------------------------------------------------------------------------


def ask(house: House) -> Round:
    return house.ask(house.open_issue("apple"))


def verified(held: Round) -> Round:
    held.plan()
    held.work()
    held.verify()
    return held


def push(house: House, name: str = "theirs", *, branch: str = "main") -> str:
    return house.double.commit(house.repository, branch, {f"{name}.txt": f"{name}\n"})


def meanwhile(
    house: House, method: str, path: str, act: Callable[[], object], *, nth: int = 1
) -> None:
    house.double.fail(Meanwhile(method=method, path=path, nth=nth, act=act))


def occupy(house: House, held: Round, name: str) -> str:
    """Somebody has a branch of this name before us."""
    branch = f"concertmaster/{held.outputs['run']}/{name}"
    house.double.git(house.repository).update({f"refs/heads/{branch}": (house.tip(), None)})
    return push(house, branch=branch)


def open_pull(house: House, held: Round) -> Issue:
    """Eve opens a pull request from our task's branch."""
    return merging.open_pull(
        house.double.store,
        house.repository,
        token=Token(value="", user=house.eve),
        given=merging.Proposal(title="Mine", body="mine", head=task_branch(held), base="main"),
    )


# --- what is there then ------------------------------------------------------------------------


def plan_of(held: Round) -> Any:
    return json.loads((held.artifacts / "concertmaster-plan" / "plan.json").read_text())


def task_branch(held: Round) -> str:
    return f"concertmaster/{held.outputs['run']}/{plan_of(held)['tasks'][0]['id']}"


def checked_commit(held: Round) -> str:
    verdict = json.loads((held.artifacts / "concertmaster-verify" / "verdict.json").read_text())
    return str(verdict["steps"][-1]["commit"])


def apple(house: House, held: Round) -> TaskHistory:
    return house.history(held.outputs["run"]).tasks[0]


def report(house: House) -> str:
    """The newest on the parent."""
    told = [one.body for one in house.repository.issues[1].comments if "kind=report-" in one.body]
    return told[-1]


def pulls(house: House) -> list[tuple[Issue, Pull]]:
    return [*house.repository.pulls()]


def only_pull(house: House) -> tuple[Issue, Pull]:
    (found,) = pulls(house)
    return found


def labels(house: House, number: int = 1) -> set[str]:
    issue = house.repository.issues[number]
    return {label.name for label in house.repository.labels_of(issue)}


def log(house: House, tip: str, *without: str) -> list[str]:
    git = house.double.git(house.repository)
    return git.commits(tip, *(f"^{one}" for one in without))


def parents(house: House, commit: str) -> list[str]:
    return house.double.git(house.repository).text("rev-parse", f"{commit}^@").split()


def carries_memory_alone(house: House, commit: str, on: str) -> bool:
    """`commit` is one on top of `on` that changes Memory.md and nothing else."""
    git = house.double.git(house.repository)
    changed = git.text("diff", "--name-only", on, commit).split()
    return parents(house, commit) == [on] and changed == [MEMORY]


def assert_landed(house: House, held: Round, *, tip: str = "") -> None:
    """By push: the target is the tested commit with Memory.md on top, and nothing is left open."""
    assert apple(house, held).state is TaskState.LANDED
    assert carries_memory_alone(house, tip or house.tip(), checked_commit(held))
    assert_settled(house, held)


def assert_settled(house: House, held: Round) -> None:
    memory = house.read(MEMORY)
    assert memory
    assert memory.count(held.outputs["run"]) == 1
    assert house.read("apple.txt") == "apple\n"
    assert [one.state for one in house.issues("task")] == ["closed"]
    assert house.repository.issues[1].state == "closed"
    assert all(pull.merged_at for _, pull in pulls(house))
    assert house.branches() == ["state"]
    assert house.issues("failure") == []


def assert_untouched(house: House, tip: str) -> None:
    assert house.tip() == tip
    assert [one.state for one in house.issues("task")] == ["open"]
    assert house.repository.issues[1].state == "open"


def assert_open(house: House, held: Round, *, because: str) -> None:
    """The one pull request holds the tested commit with Memory.md on top, and says why it waits."""
    issue, pull = only_pull(house)
    one = apple(house, held)
    assert (issue.state, one.state, one.pull) == ("open", TaskState.AWAITING_MERGE, issue.number)
    assert carries_memory_alone(house, pull.head_commit, checked_commit(held))
    assert house.branches() == ["landed", "state"]
    assert "1 waits to be merged" in report(house)
    assert f"#{issue.number} waits to be merged, and carries the results" in report(house)
    assert because in report(house)
    assert house.issues("failure") == []
    assert labels(house) == set()
    assert house.dispatched == []


def settle_by_person(house: House, issue: Issue) -> Round:
    """Control hears of it, and the round that it begins is held."""
    house.close_pull(issue)
    return house.follow(house.dispatched[-1]).hold()


# --- the target moves --------------------------------------------------------------------------


@sweep
@pytest.mark.parametrize("job", ["plan", "work"])
def test_a_target_that_moves_before_the_check_is_checked_as_it_is_then(
    house: House, job: str
) -> None:
    held = ask(house)
    held.plan()
    if job == "plan":
        theirs = push(house)
    held.work()
    if job == "work":
        theirs = push(house)
    held.verify()
    held.finalize()
    assert theirs in log(house, checked_commit(held))
    assert_landed(house, held)
    assert house.dispatched == []


@pytest.mark.parametrize(
    ("path", "method", "nth"),
    [
        pytest.param("", "", 0, id="before finalize"),
        pytest.param(
            f"{API}/rules/branches/main", "GET", 1, id="after the tip was read", marks=sweep
        ),
        pytest.param(f"{API}/pulls", "POST", 1, id="while pull requests are opened", marks=sweep),
        pytest.param(f"{GIT}/git-receive-pack", "POST", 2, id="in the push", marks=sweep),
    ],
)
def test_a_target_that_moves_after_the_check_is_checked_again_by_a_round_of_its_own(
    house: House, path: str, method: str, nth: int
) -> None:
    held = verified(ask(house))
    if path:
        meanwhile(house, method, path, lambda: push(house), nth=nth)
    else:
        push(house)
    held.finalize()
    theirs = house.tip()
    assert_untouched(house, theirs)
    assert house.read("theirs.txt") == "theirs\n"
    assert house.read(MEMORY) is None
    assert "Somebody moved `main` while results were checked" in report(house)
    assert "Round 2 is due" in report(house)
    assert "default token" not in report(house)
    assert house.issues("failure") == []
    assert [run.inputs["round"] for run in house.dispatched] == ["2"]

    again = house.follow(house.dispatched[-1]).hold()
    assert (again.outputs["count"], again.outputs["verify"]) == ("0", "true")
    assert theirs in log(house, checked_commit(again))
    assert_landed(house, again)
    assert len(pulls(house)) == 1
    assert len(house.dispatched) == 1


@sweep
@pytest.mark.parametrize(
    ("path", "method"),
    [(f"{API}/labels", "GET"), (f"{API}/issues/1/comments", "POST")],
    ids=["before the labels", "before the report"],
)
def test_what_comes_behind_our_push_stays_and_takes_nothing_from_it(
    house: House, path: str, method: str
) -> None:
    held = verified(ask(house))
    meanwhile(house, method, path, lambda: push(house))
    held.finalize()
    (landed,) = parents(house, house.tip())
    assert_landed(house, held, tip=landed)
    assert house.dispatched == []


@sweep
def test_a_target_that_never_stands_still_gets_one_pull_request_after_three_rounds(
    house: House,
) -> None:
    held = ask(house)
    for number in range(4):
        verified(held)
        push(house, f"theirs{number}")
        held.finalize()
        if number < 3:
            assert house.issues("failure") == []
            held = house.follow(house.dispatched[number])
    theirs = house.tip()
    assert len(house.dispatched) == 3
    assert_untouched(house, theirs)
    house.repository.runs.clear()
    assert_open(house, held, because="the target kept moving while results were checked")

    issue, _ = only_pull(house)
    house.double.merge_pull(house.repository, issue, user=house.eve)
    assert_settled(house, settle_by_person(house, issue))


def test_what_was_taken_out_of_the_targets_history_does_not_come_back(house: House) -> None:
    before, secret = house.tip(), push(house, "secret")
    held = verified(ask(house))
    house.double.git(house.repository).update({"refs/heads/main": (before, secret)})
    held.finalize()
    assert_untouched(house, before)

    again = house.follow(house.dispatched[-1]).hold()
    assert_landed(house, again)
    assert secret not in log(house, house.tip())
    assert house.read("secret.txt") is None


@sweep
def test_a_target_that_is_gone_is_a_clear_stop_and_put_back_it_is_landed_on(house: House) -> None:
    held = verified(ask(house))
    git, tip = house.double.git(house.repository), house.tip()
    git.text("update-ref", "-d", "refs/heads/main")
    with pytest.raises(EnvironmentFault, match="there is no default branch") as told:
        held.finalize()
    assert "put the branch back" in told.value.next_step
    git.update({"refs/heads/main": (tip, None)})
    held.finalize()
    assert_landed(house, held)


# --- people and our branches -------------------------------------------------------------------


@sweep
def test_a_commit_that_somebody_put_on_our_branch_is_kept_and_told_of(house: House) -> None:
    held = verified(ask(house))
    branch = task_branch(held)
    act = lambda: push(house, branch=branch)  # noqa: E731
    meanwhile(house, "POST", f"{GIT}/git-receive-pack", act, nth=2)
    held.finalize()
    assert apple(house, held).state is TaskState.LANDED
    assert carries_memory_alone(house, house.tip(), checked_commit(held))
    assert house.read("theirs.txt", branch=branch) == "theirs\n"
    assert only_pull(house)[0].state == "open"
    assert f"`{branch}` stays" in report(house)
    assert "commits on it that are not ours" in report(house)


@sweep
def test_a_branch_that_somebody_made_before_us_costs_only_the_pull_request(house: House) -> None:
    held = verified(ask(house))
    theirs = occupy(house, held, task_branch(held).rpartition("/")[2])
    held.finalize()
    assert apple(house, held).state is TaskState.LANDED
    assert carries_memory_alone(house, house.tip(), checked_commit(held))
    assert house.tip(task_branch(held)) == theirs
    assert pulls(house) == []
    assert "is not as we left it, so it was left alone" in report(house)
    assert house.repository.issues[1].state == "closed"


@sweep
def test_a_branch_of_ours_that_somebody_deleted_is_made_anew(house: House) -> None:
    held = verified(ask(house))
    push(house)
    held.finalize()
    git = house.double.git(house.repository)
    git.text("update-ref", "-d", f"refs/heads/{task_branch(held)}")
    again = house.follow(house.dispatched[-1]).hold()
    assert again.outputs["count"] == "0"
    assert_landed(house, again)


@sweep
@pytest.mark.parametrize("moved", [False, True])
def test_a_pull_request_that_somebody_opened_from_our_branch_keeps_its_words(
    house: House, moved: bool
) -> None:
    held = verified(ask(house))
    if moved:
        push(house)
        held.finalize()
        open_pull(house, held)
        held = house.follow(house.dispatched[-1]).hold()
    else:
        meanwhile(house, "POST", f"{API}/pulls", lambda: open_pull(house, held))
        held.finalize()
    issue, _ = only_pull(house)
    assert (issue.title, issue.body) == ("Mine", "mine")
    assert_landed(house, held)


@sweep
def test_a_branch_in_the_way_of_the_one_pull_request_waits_for_a_person(house: House) -> None:
    held = verified(ask(house))
    house.double.add_rule(house.repository, "pull_request")
    theirs = occupy(house, held, "landed")
    tip = house.tip()
    held.finalize()
    assert_untouched(house, tip)
    assert house.tip(f"concertmaster/{held.outputs['run']}/landed") == theirs
    assert apple(house, held).fault is Why.STUCK
    assert house.dispatched == []
    assert "must come through a pull request, and it has no branch" in report(house)
    assert "write `/orchestrate retry`" in report(house)
    assert [one.state for one in house.issues("failure")] == ["open"]
    assert labels(house) == {"concertmaster:failed"}

    git = house.double.git(house.repository)
    git.text("update-ref", "-d", f"refs/heads/concertmaster/{held.outputs['run']}/landed")
    again = house.ask(house.repository.issues[1], "/orchestrate retry").hold()
    assert again.outputs["count"] == "0"
    assert_merged(house, again)
    assert [one.state for one in house.issues("failure")] == ["closed"]


# --- rules -------------------------------------------------------------------------------------


def assert_merged(house: House, held: Round, method: str = "merge") -> None:
    """By the one pull request, as it was tested."""
    issue, pull = only_pull(house)
    assert carries_memory_alone(house, pull.head_commit, checked_commit(held))
    assert pull.merged_at
    git = house.double.git(house.repository)
    assert git.text("diff", "--name-only", pull.head_commit, house.tip()) == ""
    assert (pull.head_commit in log(house, house.tip())) is (method == "merge")
    one = apple(house, held)
    assert (one.state, one.pull) == (TaskState.LANDED, issue.number)
    assert "Memory.md` could not" not in report(house)
    assert house.repository.issues[1].state == "closed"
    assert house.branches() == ["state"]
    memory = house.read(MEMORY)
    assert memory
    assert held.outputs["run"] in memory


@pytest.mark.parametrize(
    "rule",
    [
        "pull_request",
        *(pytest.param(one, marks=sweep) for one in ("update", "required_linear_history")),
    ],
)
def test_where_rules_forbid_the_push_one_pull_request_is_merged_with_the_tested_commit(
    house: House, rule: str
) -> None:
    house.double.add_rule(house.repository, rule)
    held = ask(house).hold()
    assert_merged(house, held)
    assert_settled(house, held)
    (asked,) = house.repository.merge_requests
    assert asked.head == only_pull(house)[1].head_commit
    assert house.dispatched == []


@sweep
def test_a_protection_that_only_the_push_meets_ends_the_same(house: House) -> None:
    house.double.add_rule(house.repository, "pull_request")
    hidden = Fault(effect=Effect.NOT_FOUND, method="GET", path=f"{API}/rules/branches/*")
    house.double.fail(hidden)
    held = ask(house).hold()
    assert_settled(house, held)
    whole = [issue for issue, pull in pulls(house) if pull.head.endswith("/landed")]
    assert [issue.number for issue in whole] == [apple(house, held).pull]
    assert "Changes must be made through a pull request" in (whole[0].body or "")
    assert "Memory.md` could not" not in report(house)


@sweep
def test_a_protection_that_only_the_push_meets_leaves_one_pull_request_open(house: House) -> None:
    house.double.add_rule(house.repository, "pull_request", parameters=REVIEW)
    hidden = Fault(effect=Effect.NOT_FOUND, method="GET", path=f"{API}/rules/branches/*")
    house.double.fail(hidden)
    held = ask(house).hold()
    assert [issue.number for issue, _ in pulls(house) if issue.state == "open"] == [
        apple(house, held).pull
    ]
    assert house.branches() == ["landed", "state"]


@sweep
@pytest.mark.parametrize("auto", [False, True])
@pytest.mark.parametrize(
    ("rule", "parameters", "missing"),
    [
        ("pull_request", REVIEW, "At least 1 approving review is required"),
        ("required_status_checks", CHECKS, 'Required status check "ci" is expected'),
    ],
)
def test_what_rules_still_want_leaves_it_open_or_to_auto_merge(
    house: House, auto: bool, rule: str, parameters: Any, missing: str
) -> None:
    house.repository.allow_auto_merge = auto
    house.double.add_rule(house.repository, rule, parameters=parameters)
    tip = house.tip()
    held = ask(house).hold()
    assert_untouched(house, tip)
    assert_open(house, held, because="GitHub merges it by itself" if auto else missing)
    issue, pull = only_pull(house)
    assert (pull.auto_merge is not None) is auto
    if auto and rule == "pull_request":
        approve(house, pull)
        assert issue.state == "closed"
        again = settle_by_person(house, issue)
        assert_settled(house, again)


def approve(house: House, pull: Pull) -> None:
    """And GitHub does what is due then."""
    review = Review(
        id=house.double.store.new_id(),
        user=house.eve,
        body="",
        state="APPROVED",
        commit=pull.head_commit,
        submitted_at=house.double.clock.now(),
    )
    pull.reviews.append(review)
    merging.do_what_is_due(house.double.store, house.repository)


@sweep
def test_a_merge_queue_gets_it_and_the_run_settles_behind_it(house: House) -> None:
    house.double.add_rule(house.repository, "merge_queue")
    held = ask(house).hold()
    one = apple(house, held)
    assert one.state is TaskState.AWAITING_MERGE
    assert "it is in the merge queue" in report(house)
    merging.do_what_is_due(house.double.store, house.repository)
    issue, pull = only_pull(house)
    assert pull.merged_at
    again = settle_by_person(house, issue)
    assert_settled(house, again)


@sweep
def test_a_merge_that_takes_its_time_is_waited_for(house: House) -> None:
    house.double.add_rule(house.repository, "pull_request")
    house.double.store.calls_before_merge = 4
    held = ask(house).hold()
    assert_merged(house, held)


@sweep
def test_a_merge_that_does_not_come_is_left_to_github(house: House) -> None:
    house.double.add_rule(house.repository, "pull_request")
    house.double.store.calls_before_merge = 1000
    tip = house.tip()
    held = ask(house).hold()
    assert_untouched(house, tip)
    assert_open(house, held, because="GitHub merges it by itself when nothing is in the way")
    (asked,) = house.repository.merge_requests
    asked.calls_left = 0
    house.double.store.calls_before_merge = 1
    issue, pull = only_pull(house)
    merging.merge(
        house.double.store,
        house.repository,
        issue=issue,
        pull=pull,
        token=asked.token,
        wish=merging.Wish(head=asked.head),
    )
    asked.status = "merged"
    assert_settled(house, settle_by_person(house, issue))


@sweep
@pytest.mark.parametrize("method", ["merge", "squash"])
def test_another_wish_to_merge_is_waited_for_like_our_own(house: House, method: str) -> None:
    house.double.add_rule(house.repository, "pull_request")
    held = verified(ask(house))

    def wish() -> None:
        issue, pull = only_pull(house)
        asked = MergeRequest(
            uuid="11111111-1111-4111-8111-111111111111",
            number=issue.number,
            token=Token(value="", user=house.eve),
            head=pull.head_commit,
            method=method,
            action="default",
            calls_left=3,
        )
        house.repository.merge_requests.append(asked)

    meanwhile(house, "PUT", f"{API}/pulls/*/merge-async", wish)
    held.finalize()
    assert len(house.repository.merge_requests) == 1
    assert_merged(house, held, method)
    assert apple(house, held).landed_as in log(house, house.tip())


@sweep
def test_a_head_that_somebody_moves_before_the_merge_is_not_merged(house: House) -> None:
    house.double.add_rule(house.repository, "pull_request")
    held = verified(ask(house))
    tip = house.tip()
    act = lambda: push(house, branch=only_pull(house)[1].head)  # noqa: E731
    meanwhile(house, "PUT", f"{API}/pulls/*/merge-async", act)
    held.finalize()
    assert_untouched(house, tip)
    assert apple(house, held).state is TaskState.AWAITING_MERGE
    assert "somebody changed its branch, so it is not what was checked" in report(house)


@sweep
def test_where_no_pull_request_may_be_opened_a_push_lands_and_shows_compare_links(
    house: House,
) -> None:
    house.repository.allow_pulls_by_actions = False
    held = ask(house).hold()
    assert_landed(house, held)
    assert pulls(house) == []
    assert f"/compare/main...{task_branch(held)}" in report(house)
    assert "not permitted to create" in report(house)


@sweep
def test_where_neither_push_nor_pull_request_is_allowed_a_person_may_allow_it_and_retry(
    house: House,
) -> None:
    house.repository.allow_pulls_by_actions = False
    house.double.add_rule(house.repository, "pull_request")
    tip = house.tip()
    held = ask(house).hold()
    assert_untouched(house, tip)
    run = held.outputs["run"]
    assert f"/compare/main...concertmaster/{run}/landed" in report(house)
    assert "must come through a pull request, and none could be opened" in report(house)
    assert "landed" in house.branches()
    assert house.dispatched == []
    assert [one.state for one in house.issues("failure")] == ["open"]

    house.repository.allow_pulls_by_actions = True
    again = house.ask(house.repository.issues[1], "/orchestrate retry").hold()
    assert again.outputs["count"] == "0"
    assert_merged(house, again)
    assert [one.state for one in house.issues("failure")] == ["closed"]


# --- as it was asked for -----------------------------------------------------------------------


@sweep
@pytest.mark.parametrize("method", ["merge", "squash"])
def test_the_one_pull_request_that_was_asked_for_settles_when_a_person_merges_it(
    build: Callable[..., House], method: str
) -> None:
    house = build(landing="single-pull-request")
    tip = house.tip()
    held = ask(house).hold()
    assert_untouched(house, tip)
    assert_open(house, held, because="the run lands by one pull request")
    issue, _ = only_pull(house)
    house.double.merge_pull(house.repository, issue, user=house.eve, method=method)
    again = settle_by_person(house, issue)
    assert again.outputs["count"] == "0"
    assert apple(house, again).state is TaskState.LANDED
    assert "1 of 1 task landed" in report(house)
    assert "no verdict" not in report(house)
    assert_settled(house, again)
    assert labels(house) == {"concertmaster:landed"}


@sweep
def test_the_one_pull_request_that_a_person_closes_leaves_the_work_and_says_so(
    build: Callable[..., House],
) -> None:
    house = build(landing="single-pull-request")
    tip = house.tip()
    held = ask(house).hold()
    issue, _ = only_pull(house)
    house.double.close(issue, user=house.eve)
    again = settle_by_person(house, issue)
    assert house.tip() == tip
    assert apple(house, again).state is TaskState.LEFT_OUT
    kept = [task_branch(held).rpartition("/")[2], "landed"]  # so that it can be opened again
    assert house.branches() == sorted([*kept, "state"])
    assert "was closed" in report(house)
    assert "carries the results" not in report(house)
    assert "write `/orchestrate retry` here" in report(house)
    assert [one.state for one in house.issues("failure")] == ["open"]


@pytest.mark.parametrize("landing", ["branches", pytest.param("none", marks=sweep)])
def test_a_run_that_was_asked_to_land_nothing_is_over_and_nothing_has_failed(
    build: Callable[..., House], landing: str
) -> None:
    house = build(landing=landing)
    tip = house.tip()
    held = ask(house).hold()
    assert_untouched(house, tip)
    assert pulls(house) == []
    assert house.dispatched == []
    assert house.issues("failure") == []
    assert labels(house) == set()
    assert "Nothing lands, as it was asked for" in report(house)
    assert "did not land" not in report(house)
    name = task_branch(held).rpartition("/")[2]
    assert house.branches() == ([name, "state"] if landing == "branches" else ["state"])


@sweep
def test_branches_land_when_a_person_asks_for_it_later(build: Callable[..., House]) -> None:
    house = build(landing="branches")
    ask(house).hold()
    words = "/orchestrate retry landing=merge"
    again = house.ask(house.repository.issues[1], words).hold()
    assert again.outputs["count"] == "0"
    assert_landed(house, again)
