"""Examines which triggers of our workflows the policies of Actions stop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from concertmaster.cli.doctor_finding import DoctorFinding
from concertmaster.errors import UsageError
from concertmaster.github.actions_policies import ActionsPolicy
from concertmaster.github.policies import Policies, WorkflowFile
from concertmaster.settings.file import read_file
from concertmaster.text.display import display

PLACES = {
    "Repository": "Settings → Actions → Policies",
    "Organization": "the organisation's Settings → Actions → Policies",
    "Enterprise": "the enterprise's Policies → Actions",
}
# What does not happen without an event.
EFFECTS = {
    "issue_comment": "no comment is answered",
    "issues": "no label starts a run",
    "pull_request": "nobody notices that a pull request was merged or closed",
    "repository_dispatch": "no call of the API starts a run",
    "schedule": "nothing starts at its hour",
    "workflow_dispatch": "no further round and no button starts a run",
}


def judge_events(policies: Policies, callers: Iterable[WorkflowFile]) -> Iterator[DoctorFinding]:
    """Yield a finding for each policy that stops a trigger, or one that none does."""
    stopped = [
        finding
        for policy in policies.actions_policies
        for file in callers
        if policy.covers(file.path)
        for finding in (*_events(policy, file), *_actors(policy))
    ]
    found = tuple(dict.fromkeys(stopped))
    if not any(one.is_needed for one in found):
        yield DoctorFinding(name="events", is_fine=True, words="no policy stops a trigger")
    yield from found


def triggers(text: str) -> tuple[str, ...]:
    """Return the events that start a workflow file, or () if it cannot be read."""
    try:
        file = read_file(text.encode(), "the workflow")
    except UsageError:
        return ()
    found = file.get("on", file.get("True"))  # YAML 1.1 reads `on` as true
    return (found,) if isinstance(found, str) else tuple(map(str, found or ()))


def _events(policy: ActionsPolicy, file: WorkflowFile) -> Iterator[DoctorFinding]:
    events = policy.stopped(one for one in triggers(file.text) if one in EFFECTS)
    if events:
        told = "; ".join(f"{one}, so {EFFECTS[one]}" for one in events)
        yield DoctorFinding(
            name="events",
            is_fine=False,
            words=f"{_named(policy)} does not allow what starts {display(file.path)}: {told}",
            next_step=f"{_place(policy)}: allow {', '.join(events)}",
        )


def _actors(policy: ActionsPolicy) -> Iterator[DoctorFinding]:
    """Yield a note: GitHub lists people by numbers, and teams and roles."""
    if policy.lists_actors:
        yield DoctorFinding(
            name="actors",
            is_fine=False,
            words=f"{_named(policy)} lists who may start workflows; others are refused",
            next_step=f"{_place(policy)}: list everybody who writes /orchestrate, and "
            "github-actions[bot], which starts further rounds, or the App of `app_client_id`",
            is_needed=False,
        )


def _named(policy: ActionsPolicy) -> str:
    return f"the policy {display(policy.name)!r} of {display(policy.source)}"


def _place(policy: ActionsPolicy) -> str:
    return PLACES.get(policy.level, PLACES["Organization"])
