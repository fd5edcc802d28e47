"""Opens and merges pull requests, and updates them after a push."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from tests.github import tracker
from tests.github.bare import WORKFLOWS, ZERO, Bare, Moved, Person, person
from tests.github.closing import close_named, read_new_commits
from tests.github.exchange import Refused, custom_error, refuse, wrong_field
from tests.github.gatekeeper import Forbidden, demand_workflows, missing_checks, rules_of, violation
from tests.github.people import Token, User
from tests.github.state import Activity, Issue, Pull, QueueEntry, Repository
from tests.github.store import Store

WEB_FLOW = User(id=19_864_447, login="web-flow", name="GitHub")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The options of a merge; `head` is the commit that the caller expects."""

    method: str = "merge"
    head: str | None = None
    title: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A pull request to open; `head` is a branch of the same repository, or `owner:branch`."""

    title: str
    body: str | None
    head: str
    base: str
    draft: bool = False


def open_pull(store: Store, repository: Repository, *, token: Token, given: Proposal) -> Issue:
    if token.app == store.actions_app and not repository.allow_pulls_by_actions:
        message = "GitHub Actions is not permitted to create or approve pull requests."
        raise refuse(403, message)
    head = head_branch(repository, given.head)
    head_commit, base_commit = tips(repository, head=head, base=given.base)
    check_new_pull(repository, head=head, base=given.base)
    if Bare(repository.folder).reaches(base_commit, head_commit):
        raise custom_error("PullRequest", f"No commits between {given.base} and {head}")
    issue = tracker.new_issue(
        store, repository, user=token.user, app=token.app, title=given.title, body=given.body
    )
    issue.pull = Pull(
        id=store.new_id(),
        head=head,
        base=given.base,
        head_commit=head_commit,
        base_commit=base_commit,
        draft=given.draft,
    )
    write_pull_ref(repository, issue, issue.pull)
    return issue


def head_branch(repository: Repository, head: str) -> str:
    owner, _, name = head.rpartition(":")
    if owner.lower() not in {"", repository.owner.login.lower()}:
        raise wrong_field("PullRequest", "head")
    return name


def tips(repository: Repository, *, head: str, base: str) -> tuple[str, str]:
    bare = Bare(repository.folder)
    commits = {"head": bare.branch(head), "base": bare.branch(base)}
    for name, commit in commits.items():
        if commit is None:
            raise wrong_field("PullRequest", name)
    return commits["head"] or "", commits["base"] or ""


def check_new_pull(repository: Repository, *, head: str, base: str) -> None:
    for issue, pull in repository.pulls():
        if issue.state == "open" and (pull.head, pull.base, pull.fork) == (head, base, None):
            name = f"{repository.owner.login}:{head}"
            raise custom_error("PullRequest", f"A pull request already exists for {name}.")


def write_pull_ref(repository: Repository, issue: Issue, pull: Pull) -> None:
    ref = f"refs/pull/{issue.number}/head"
    Bare(repository.folder).update({ref: (pull.head_commit, None)})


def mergeable(repository: Repository, issue: Issue, pull: Pull) -> bool | None:
    """Return whether it merges cleanly; None if closed, or at the first call for head and base."""
    if issue.state == "closed":
        return None
    asked = pull.head_commit, pull.base_commit
    if pull.asked_about != asked:
        pull.asked_about = asked
        return None
    return Bare(repository.folder).merged_tree(pull.base_commit, pull.head_commit) is not None


def merge(
    store: Store, repository: Repository, *, issue: Issue, pull: Pull, token: Token, wish: Wish
) -> str:
    """Merge and return the new tip of the base.

    Raises Refused: 403 for workflow files, 405 if the merge is forbidden or conflicts, 409 if the
    head has moved.
    """
    if wish.head not in {None, pull.head_commit}:
        raise refuse(409, "Head branch was modified. Review and try the merge again.")
    obstacle = obstacle_to(repository, issue, pull)
    if obstacle:
        raise refuse(405, obstacle)
    try:
        check_merged_workflows(repository, pull, token)
    except Forbidden as forbidden:
        raise refuse(403, str(forbidden)) from forbidden
    commit = merge_commit(store, repository, issue=issue, pull=pull, user=token.user, wish=wish)
    if commit is None:
        raise refuse(405, "Pull Request is not mergeable")
    move_base(repository, pull, commit)
    mark_merged(store, issue, pull, user=token.user, commit=commit)
    if pull.base == repository.default_branch:
        close_named(store, repository, issue.body or "", user=token.user)
    note_push(store, repository, user=token.user)
    return commit


def check_merged_workflows(repository: Repository, pull: Pull, token: Token) -> None:
    """Raise Forbidden if the merge brings workflow files to the base that the token may not change.

    The head is on a branch already, so the check for new commits of a push would find nothing.
    """
    bare = Bare(repository.folder)
    start = bare.merge_base(pull.base_commit, pull.head_commit) or pull.base_commit
    for change in bare.changes(start, pull.head_commit):
        if change.path.startswith(WORKFLOWS):
            demand_workflows(repository, token, path=change.path)


def obstacle_to(repository: Repository, issue: Issue, pull: Pull) -> str:
    """Return why GitHub would not merge now, or ""."""
    if issue.state == "closed":
        return "Pull Request is not mergeable"
    if pull.draft:
        return "Pull Request is still a draft"
    for rule in rules_of(repository, pull.base):
        if rule.type == "merge_queue" and pull.queue_entry is None:
            return violation(rule)
        if rule.type == "required_status_checks":
            missing = missing_checks(repository, rule, commit=pull.head_commit)
            if missing:
                return f'Required status check "{missing[0]}" is expected.'
        needed = rule.parameters.get("required_approving_review_count", 0)
        approvals = {one.user.login for one in pull.reviews if one.state == "APPROVED"}
        if rule.type == "pull_request" and len(approvals) < needed:
            count = "1 approving review" if needed == 1 else f"{needed} approving reviews"
            return f"At least {count} is required by reviewers with write access."
    return ""


def merge_commit(
    store: Store, repository: Repository, *, issue: Issue, pull: Pull, user: User, wish: Wish
) -> str | None:
    """Return the new commit, or None for a conflict."""
    bare = Bare(repository.folder)
    tree = bare.merged_tree(pull.base_commit, pull.head_commit)
    if tree is None:
        return None
    now = store.clock.now()
    if wish.method == "rebase":
        return rebase(bare, pull, committer=person(WEB_FLOW, when=now))
    parents = [pull.base_commit]
    if wish.method == "merge":
        parents.append(pull.head_commit)
    return bare.commit(
        tree,
        parents=parents,
        message=merge_message(repository, issue=issue, pull=pull, wish=wish),
        author=person(user, when=now),
        committer=person(WEB_FLOW, when=now),
    )


def rebase(bare: Bare, pull: Pull, *, committer: Person) -> str | None:
    """Return the last copy of the head's commits on the base, or None for a conflict.

    Each copy has a new id and another committer, also where the base has not moved; merges are
    left out. See "Rebasing and merging your commits" in "About merge methods on GitHub".
    """
    tip: str | None = pull.base_commit
    listed = bare.commits("--no-merges", f"{pull.base_commit}..{pull.head_commit}")
    for one in map(bare.read_commit, reversed(listed)):
        tree = bare.merged_tree(pull.base_commit, one.sha)
        if tree is None or tip is None:
            return None
        message = f"{one.message}\n"
        tip = bare.commit(
            tree, parents=[tip], message=message, author=one.author, committer=committer
        )
    return tip


def merge_message(repository: Repository, *, issue: Issue, pull: Pull, wish: Wish) -> str:
    if wish.method == "merge":
        source = f"{(pull.fork or repository).owner.login}/{pull.head}"
        title, text = f"Merge pull request #{issue.number} from {source}", issue.title
    else:
        title, text = f"{issue.title} (#{issue.number})", issue.body or ""
    title = wish.title if wish.title is not None else title
    text = wish.text if wish.text is not None else text
    return f"{title}\n\n{text}".strip() + "\n"


def move_base(repository: Repository, pull: Pull, commit: str) -> None:
    try:
        changes = {f"refs/heads/{pull.base}": (commit, pull.base_commit)}
        Bare(repository.folder).update(changes)
    except Moved as moved:
        message = "Base branch was modified. Review and try the merge again."
        raise refuse(405, message) from moved


def mark_merged(store: Store, issue: Issue, pull: Pull, *, user: User, commit: str | None) -> None:
    now = store.clock.now()
    pull.merged_at, pull.merged_by, pull.merge_commit = now, user, commit
    pull.auto_merge = pull.queue_entry = None
    tracker.set_state(issue, "closed", reason=None, user=user, now=now)


def note_push(store: Store, repository: Repository, *, user: User) -> None:
    """Update the open pull requests after any move of a ref.

    They follow their branches, and count as merged if their base now contains their head.
    """
    read_new_commits(store, repository, user=user)
    bare = Bare(repository.folder)
    branches = bare.refs("refs/heads/")
    record_moves(store, repository, branches=branches, user=user)
    for issue, pull in repository.pulls():
        if issue.state == "closed":
            continue
        follow(store, repository, issue=issue, pull=pull, branches=branches)
        base = branches.get(f"refs/heads/{pull.base}")
        if base and issue.state == "open" and bare.reaches(base, pull.head_commit):
            mark_merged(store, issue, pull, user=user, commit=base)


def record_moves(
    store: Store, repository: Repository, *, branches: dict[str, str], user: User
) -> None:
    """Record an activity for each branch that is not where its last one left it."""
    known = {one.ref: one.after for one in repository.activities}
    for ref in [*branches, *(known.keys() - branches.keys())]:
        before, after = known.get(ref, ZERO), branches.get(ref, ZERO)
        if before != after:
            made = Activity(
                id=len(repository.activities) + 1,
                ref=ref,
                before=before,
                after=after,
                actor=user,
                timestamp=store.clock.now(),
            )
            repository.activities.append(made)


def follow(
    store: Store, repository: Repository, *, issue: Issue, pull: Pull, branches: dict[str, str]
) -> None:
    """Update head and base of a pull request.

    It is closed if its branch is gone, unless its base contains its head.
    """
    own = pull.head_commit if pull.fork else None  # no push to this repository moves a fork
    head = own or branches.get(f"refs/heads/{pull.head}")
    base = branches.get(f"refs/heads/{pull.base}")
    now = store.clock.now()
    if (
        base
        and base != pull.base_commit
        and not Bare(repository.folder).reaches(base, head or pull.head_commit)
    ):
        pull.base_commit = base
    if head and head != pull.head_commit:
        pull.head_commit, issue.updated_at = head, now
        write_pull_ref(repository, issue, pull)
    if head is None and not (base and Bare(repository.folder).reaches(base, pull.head_commit)):
        tracker.set_state(issue, "closed", reason=None, user=issue.user, now=now)


def update_branch(
    store: Store, repository: Repository, *, pull: Pull, token: Token, expected: str | None
) -> None:
    """Merge the base into the head's branch. Raises Refused."""
    if expected not in {None, pull.head_commit}:
        message = "expected head sha didn't match current head ref."
        raise refuse(422, message)
    bare = Bare(repository.folder)
    tree = bare.merged_tree(pull.head_commit, pull.base_commit)
    if tree is None:
        raise refuse(422, "merge conflict between base and head")
    if bare.reaches(pull.head_commit, pull.base_commit):
        raise refuse(422, "There are no new commits on the base branch.")
    now = store.clock.now()
    commit = bare.commit(
        tree,
        parents=[pull.head_commit, pull.base_commit],
        message=f"Merge branch '{pull.base}' into {pull.head}\n",
        author=person(token.user, when=now),
        committer=person(WEB_FLOW, when=now),
    )
    bare.update({f"refs/heads/{pull.head}": (commit, pull.head_commit)})
    note_push(store, repository, user=token.user)


def waits_for_queue(repository: Repository, pull: Pull) -> bool:
    """Return whether the base has a merge queue that the pull request is not in."""
    rules = rules_of(repository, pull.base)
    return pull.queue_entry is None and any(rule.type == "merge_queue" for rule in rules)


def enqueue(store: Store, pull: Pull, token: Token) -> QueueEntry:
    pull.queue_entry = QueueEntry(id=store.new_id(), token=token, enqueued_at=store.clock.now())
    return pull.queue_entry


def do_what_is_due(store: Store, repository: Repository) -> None:
    """Do the merges that GitHub does by itself: from the queue, and by auto-merge."""
    for issue, pull in repository.pulls():
        due = pull.queue_entry or pull.auto_merge
        if due is None or obstacle_to(repository, issue, pull):
            continue
        wish = Wish()
        if pull.auto_merge:
            auto = pull.auto_merge
            wish = Wish(method=auto.method, title=auto.title, text=auto.text)
        with suppress(Refused):
            merge(store, repository, issue=issue, pull=pull, token=due.token, wish=wish)
