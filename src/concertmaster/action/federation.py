"""Exchanges the identity of a job for keys of a cloud, before its agents start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from concertmaster.action.job import Job
from concertmaster.errors import EnvironmentFault, UsageError
from concertmaster.github.identity import IdentitySource, Refused, fetch_json
from concertmaster.retry import TransientFault
from concertmaster.settings.agent_variables import AgentVariables
from concertmaster.text.display import display

AUDIENCE = "sts.amazonaws.com"
_VERSION = "2011-06-15"  # of the API
_KEYS = {
    "AWS_ACCESS_KEY_ID": "AccessKeyId",
    "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
    "AWS_SESSION_TOKEN": "SessionToken",
}


def federate(job: Job, *, is_isolated: bool) -> Job:
    """Return the job whose agents get keys of the AWS role that its inputs name.

    It is the same job where they name none. Raises UsageError if an agent could read more than the
    keys, EnvironmentFault if GitHub or AWS refuses.
    """
    settings = job.settings
    if not settings.aws_role:
        return job
    if not is_isolated:
        raise UsageError(
            "federation needs a user for each attempt",
            why="an agent that runs as the user of this job could ask for further keys itself",
            next_step="take the container action, with `isolation: user`",
        )
    if not settings.aws_region:
        raise UsageError(
            "the input `aws_region` is missing",
            why="the keys of a role belong to a region",
            next_step="set it beside `aws_role`",
        )
    source = IdentitySource(
        url=settings.identity_url, token=settings.identity_token.get_secret_value()
    )
    keys = _assume_role(job, source.request(AUDIENCE, clock=job.clock))
    job.console.note(f"agents get keys of {settings.aws_role} for {settings.aws_minutes} minutes")
    regions = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), settings.aws_region)
    given = AgentVariables(
        plain={**job.agent_variables.plain, **regions},
        secrets={**job.agent_variables.secrets, **keys},
    )
    return replace(job, agent_variables=given, environment=given.added_to(job.environment))


def _assume_role(job: Job, identity: str) -> dict[str, str]:
    """Return the keys as variables. Raises EnvironmentFault if AWS refuses."""
    settings = job.settings
    url = settings.sts_url or f"https://sts.{settings.aws_region}.amazonaws.com/"
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": _VERSION,
        "RoleArn": settings.aws_role,
        "RoleSessionName": f"concertmaster-{settings.workflow_run}-{settings.share}",
        "DurationSeconds": str(settings.aws_minutes * 60),
        "WebIdentityToken": identity,
    }
    try:
        found = fetch_json(url, headers={"Accept": "application/json"}, form=form, clock=job.clock)
    except (Refused, TransientFault) as error:
        raise _refused(settings.aws_role, str(error).replace(identity, "***")) from error
    keys = _read_keys(found)
    if not all(keys.values()):
        raise _refused(settings.aws_role, "its answer holds no keys")
    return keys


def _read_keys(answer: dict[str, Any]) -> dict[str, str]:
    """Return the keys by variable, "" for each that is missing."""
    inner: Any = answer
    for name in ("Response", "Result"):
        inner = inner.get(f"AssumeRoleWithWebIdentity{name}") if isinstance(inner, dict) else None
    given = inner.get("Credentials") if isinstance(inner, dict) else None
    known = given if isinstance(given, dict) else {}
    found = {variable: known.get(name) for variable, name in _KEYS.items()}
    return {name: value if isinstance(value, str) else "" for name, value in found.items()}


def _refused(role: str, words: str) -> EnvironmentFault:
    return EnvironmentFault(
        f"AWS gave no keys of {role}",
        why=display(words, limit=300),
        next_step="see the trust policy of the role: it has to allow the subject of this workflow, "
        "and `aws_minutes` of a session",
    )
