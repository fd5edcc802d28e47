"""Examines what the settings of a repository on GitHub stop."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from concertmaster.cli.doctor_events import judge_events
from concertmaster.cli.doctor_finding import DoctorFinding
from concertmaster.github.policies import Policies, WorkflowFile
from concertmaster.github.rulesets import push_obstacle
from concertmaster.text.display import display

GENERAL = "Settings → Actions → General"
SECRETS = "Settings → Secrets and variables → Actions"
RULES = "Settings → Rules → Rulesets"
# What the jobs of the called workflows use, beside our own action.
INSIDE = ("actions/download-artifact", "actions/upload-artifact")
USED = re.compile(r"^\s*(?:-\s+)?uses:\s*['\"]?([\w.$/-]+@[\w.-]+)", re.MULTILINE)
SECRET = re.compile(r"\$\{\{[^}]*\bsecrets\.(\w+)")
ENVIRONMENT = re.compile(r"^\s+environment:\s*['\"]?([\w -]+)", re.MULTILINE)
COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
COMMIT = re.compile(r"@[0-9a-f]{40}$")
# Names of agents' keys, one of which is enough.
KEYS = frozenset({"ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"})


def judge_policies(policies: Policies) -> tuple[DoctorFinding, ...]:
    """Return what will be stopped, by which rule, and the place to change it."""
    ours = [_without_comments(one) for one in policies.workflows if "/orchestrate" in one.text]
    callers = [one for one in ours if "workflow_call:" not in one.text]
    parts: dict[str, Callable[[], Iterator[DoctorFinding]]] = {
        "permissions": lambda: _actions(policies, _used(ours)),
        "workflow_permissions": lambda: _token(policies),
        "workflows": lambda: _workflows(callers),
        "secrets": lambda: _secrets(policies, callers),
        "rules": lambda: _rules(policies),
        "environments": lambda: _environments(policies, ours),
        "actions_policies": lambda: judge_events(policies, callers),
    }
    found = [*_repository(policies)]
    for part, judge in parts.items():
        found += [_unread(policies, part)] if part in policies.unread else judge()
    return tuple(found)


def _without_comments(file: WorkflowFile) -> WorkflowFile:
    return replace(file, text=COMMENT.sub("", file.text))


def _unread(policies: Policies, part: str) -> DoctorFinding:
    if part == "actions_policies":
        return _unread_events(policies)
    return DoctorFinding(
        name=part.replace("_", " "),
        is_fine=False,
        words=f"could not be read: {display(policies.unread[part])}",
        next_step="use the token of an administrator, or look at Settings → Actions by hand",
        is_needed=False,
    )


def _repository(policies: Policies) -> Iterator[DoctorFinding]:
    found = policies.repository
    name = display(str(found.get("full_name") or ""))
    stops = [
        words
        for words, holds in (
            ("it is archived, so no job can write", found.get("archived")),
            ("it has no issues, which carry runs", found.get("has_issues") is False),
            ("it is disabled", found.get("disabled")),
        )
        if holds
    ]
    yield DoctorFinding(
        name="repository",
        is_fine=not stops,
        words="; ".join(stops) or name,
        next_step="Settings → General" if stops else "",
    )


def _used(ours: list[WorkflowFile]) -> list[str]:
    """Return the actions and workflows that runs need, as `owner/name/path@ref`."""
    named = dict.fromkeys(name for one in ours for name in USED.findall(one.text))
    inside = [f"{name}@{'0' * 40}" for name in INSIDE]
    return [*named, *inside]


def _actions(policies: Policies, used: list[str]) -> Iterator[DoctorFinding]:
    found = policies.permissions
    if found.get("enabled") is False:
        yield DoctorFinding(
            name="actions",
            is_fine=False,
            words="Actions are off, so no trigger starts anything",
            next_step=f"{GENERAL} → Actions permissions",
        )
        return
    if "selected_actions" in policies.unread:
        yield _unread(policies, "selected_actions")
    stopped = [name for name in used if not is_allowed(name, policies)]
    words = f"not allowed: {', '.join(map(_shown, stopped))}; every job that uses it fails"
    yield DoctorFinding(
        name="allowed actions",
        is_fine=not stopped,
        words=words if stopped else f"{found.get('allowed_actions') or 'all'}",
        next_step=f"{GENERAL} → Actions permissions: add them to the list" if stopped else "",
    )
    moving = [name for name in used if not COMMIT.search(name)]
    if found.get("sha_pinning_required") and moving:
        yield DoctorFinding(
            name="pinning",
            is_fine=False,
            words=f"only commits may be named, and these are none: {', '.join(moving)}",
            next_step="name a commit: concertmaster init --github --action OWNER/NAME@COMMIT; "
            f"or {GENERAL} → Require actions to be pinned",
        )


def _shown(name: str) -> str:
    """Return the name for a person, without the commit that stands for any."""
    return name.removesuffix(f"@{'0' * 40}")


def is_allowed(name: str, policies: Policies) -> bool:
    """Return whether the repository's Actions may use `owner/name/path@ref`."""
    allowed = policies.permissions.get("allowed_actions") or "all"
    owner = name.partition("/")[0].lower()
    ours = str(policies.repository.get("full_name") or "").partition("/")[0].lower()
    if allowed == "all" or owner == ours:
        return True
    if allowed == "local_only" or "selected_actions" in policies.unread:
        return allowed != "local_only"
    found = policies.selected_actions
    patterns = [str(one).strip().lower() for one in found.get("patterns_allowed") or ()]
    if any(_matches(name, one.removeprefix("!")) for one in patterns if one.startswith("!")):
        return False
    if found.get("github_owned_allowed") and owner in ("actions", "github"):
        return True
    return any(_matches(name, one) for one in patterns)


def _matches(name: str, pattern: str) -> bool:
    lowered = name.lower()
    return fnmatchcase(lowered, pattern) or fnmatchcase(lowered.partition("@")[0], pattern)


def _token(policies: Policies) -> Iterator[DoctorFinding]:
    may = policies.workflow_permissions.get("can_approve_pull_request_reviews")
    yield DoctorFinding(
        name="pull requests",
        is_fine=bool(may),
        words="the job finalize may open them" if may else "the job finalize may not open them",
        next_step=""
        if may
        else f"{GENERAL} → Workflow permissions: tick `Allow GitHub Actions to create and approve "
        "pull requests`; the organisation has to allow it as well",
    )


def _workflows(callers: list[WorkflowFile]) -> Iterator[DoctorFinding]:
    if not callers:
        yield DoctorFinding(
            name="workflow",
            is_fine=False,
            words="no workflow of the default branch answers /orchestrate",
            next_step="concertmaster init --github, then push to the default branch",
        )
    for one in callers:
        is_active = one.state == "active"
        yield DoctorFinding(
            name="workflow",
            is_fine=is_active,
            words=f"{display(one.path)} is {display(one.state)}",
            next_step="" if is_active else "Actions → the workflow → Enable workflow",
        )
        if "issue_comment:" in one.text and "workflow_dispatch:" not in one.text:
            yield DoctorFinding(
                name="rounds",
                is_fine=False,
                words=f"{display(one.path)} takes no dispatch, so no further round can start",
                next_step="add the trigger `workflow_dispatch` as in examples/minimal.yml",
            )


def _secrets(policies: Policies, callers: list[WorkflowFile]) -> Iterator[DoctorFinding]:
    named = {name.upper() for one in callers for name in SECRET.findall(one.text)} - {
        "GITHUB_TOKEN"
    }
    missing = named - policies.secrets
    if named & KEYS and not missing >= named & KEYS:
        missing -= KEYS  # one of them is there
    if named:
        words = f"not set: {', '.join(sorted(missing))}; agents that need them cannot log in"
        yield DoctorFinding(
            name="secrets",
            is_fine=not missing,
            words=words if missing else ", ".join(sorted(named & policies.secrets)),
            next_step=f"{SECRETS}; or gh secret set {min(missing)}" if missing else "",
        )


def _rules(policies: Policies) -> Iterator[DoctorFinding]:
    branch = display(str(policies.repository.get("default_branch") or ""))
    reason = push_obstacle(policies.rules)
    yield DoctorFinding(
        name="branch rules",
        is_fine=not reason,
        words=f"finalize cannot push to {branch}: {reason}"
        if reason
        else f"rulesets let finalize push to {branch}",
        next_step=f"{RULES}: let an App bypass it, and give the workflow its `app_client_id`; "
        "else results wait as pull requests"
        if reason
        else "",
        is_needed=False,
    )


def _environments(policies: Policies, ours: list[WorkflowFile]) -> Iterator[DoctorFinding]:
    named = {name.strip() for one in ours for name in ENVIRONMENT.findall(one.text)}
    for name in sorted(named & policies.environments.keys()):
        rules = ", ".join(policies.environments[name])
        yield DoctorFinding(
            name="environment",
            is_fine=not rules,
            words=f"jobs of {display(name)} wait for: {display(rules)}"
            if rules
            else f"{display(name)} has no rule",
            next_step=f"Settings → Environments → {display(name)}" if rules else "",
            is_needed=False,
        )


def _unread_events(policies: Policies) -> DoctorFinding:
    why = display(policies.unread["actions_policies"])
    return DoctorFinding(
        name="events",
        is_fine=False,
        words=f"policies of Actions could not be read: {why}. One that forbids issue_comment, "
        "issues, schedule or workflow_dispatch makes a run fail with `Event … is not allowed`",
        next_step="use the token of an administrator, or look at Settings → Actions → Policies of "
        "the repository and of its organisation",
        is_needed=False,
    )
