"""Decides who may move which ref, by permissions, workflow files and branch rules."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.github.bare import ZERO, Bare
from tests.github.exchange import Object
from tests.github.people import Level, Permission, Token
from tests.github.permissions import level_of
from tests.github.state import Repository, Rule

BRANCHES = "refs/heads/"
EVERYTHING = "~ALL"
DEFAULT_BRANCH = "~DEFAULT_BRANCH"


# GitHub's defaults for a new rule.
DEFAULT_PARAMETERS: dict[str, Object] = {
    "pull_request": {
        "dismiss_stale_reviews_on_push": False,
        "require_code_owner_review": False,
        "require_last_push_approval": False,
        "required_approving_review_count": 0,
        "required_review_thread_resolution": False,
    },
    "merge_queue": {
        "check_response_timeout_minutes": 60,
        "grouping_strategy": "ALLGREEN",
        "max_entries_to_build": 5,
        "max_entries_to_merge": 5,
        "merge_method": "MERGE",
        "min_entries_to_merge": 1,
        "min_entries_to_merge_wait_minutes": 5,
    },
}


class Forbidden(Exception):
    """A ref may not move; the message is GitHub's."""


def rules_of(repository: Repository, branch: str) -> list[Rule]:
    return [rule for rule in repository.rules if covers(repository, rule, branch)]


def covers(repository: Repository, rule: Rule, branch: str) -> bool:
    if rule.branches in {EVERYTHING, DEFAULT_BRANCH}:
        return rule.branches == EVERYTHING or branch == repository.default_branch
    return fnmatchcase(branch, rule.branches)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The move of a ref; an id of zeros means that the ref does not exist before or after."""

    ref: str
    old: str
    new: str


def check_push(repository: Repository, token: Token, *, move: Move, bare: Bare) -> None:
    """Check permissions and rules for a move; `bare` includes the pushed objects.

    Raises Forbidden.
    """
    check_workflows(repository, token, move=move, bare=bare)
    if not move.ref.startswith(BRANCHES):
        return
    branch = move.ref.removeprefix(BRANCHES)
    for rule in rules_of(repository, branch):
        if token.user.login not in rule.bypass and breaks(repository, rule, move=move, bare=bare):
            raise Forbidden(violation(rule))


def check_workflows(repository: Repository, token: Token, *, move: Move, bare: Bare) -> None:
    """Check the workflow files of the pushed commits and of the pushed tree.

    The tree counts even if no commit of the push changes a workflow: so it was observed.
    """
    if move.new == ZERO:
        return
    tips = bare.refs(BRANCHES)
    if not repository.workflows_on_any_branch:
        tips = {
            name: sha
            for name, sha in tips.items()
            if name == f"{BRANCHES}{repository.default_branch}"
        }
    path = bare.changed_workflow(move.new)
    if tips:
        path = path or bare.foreign_workflow(move.new, [*tips.values()])
    if path:
        demand_workflows(repository, token, path=path)


def demand_workflows(repository: Repository, token: Token, *, path: str) -> None:
    """Raise Forbidden if the token may not change workflow files."""
    if level_of(token, repository, Permission.WORKFLOWS) < Level.WRITE:
        who = "a GitHub App" if token.app else "a Personal Access Token"
        what = "`workflows` permission" if token.app else "`workflow` scope"
        change = f"create or update workflow `{path}`"
        raise Forbidden(f"refusing to allow {who} to {change} without {what}")


def breaks(repository: Repository, rule: Rule, *, move: Move, bare: Bare) -> bool:
    is_new, is_gone = move.old == ZERO, move.new == ZERO
    match rule.type:
        case "creation":
            return is_new
        case "deletion":
            return is_gone
        case "non_fast_forward":
            return not is_new and not is_gone and not bare.reaches(move.new, move.old)
        case "required_status_checks":
            return not is_gone and bool(missing_checks(repository, rule, commit=move.new))
        case "required_linear_history":
            known = [] if is_new else [f"^{move.old}"]
            return not is_gone and bool(bare.commits("--merges", move.new, *known))
        case _:
            return rule.type in {"pull_request", "update", "merge_queue"} and not is_new


def missing_checks(repository: Repository, rule: Rule, *, commit: str) -> list[str]:
    wanted = [check["context"] for check in rule.parameters.get("required_status_checks", [])]
    latest = {one.context: one.state for one in repository.statuses if one.commit == commit}
    latest |= {
        run.name: run.conclusion or "" for run in repository.check_runs if run.commit == commit
    }
    return [name for name in wanted if latest.get(name) != "success"]


def violation(rule: Rule) -> str:
    reasons = {
        "pull_request": "Changes must be made through a pull request.",
        "creation": "Cannot create ref due to creations being restricted.",
        "deletion": "Cannot delete this branch.",
        "update": "Cannot update this protected ref.",
        "non_fast_forward": "Cannot force-push to this branch.",
        "merge_queue": "Changes must be made through the merge queue.",
        "required_linear_history": "This branch must not contain merge commits.",
        "required_status_checks": "Required status checks are expected.",
    }
    return f"Repository rule violations found\n\n{reasons[rule.type]}"
