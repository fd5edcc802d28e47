"""Exchanges the identity of a job for keys of an AWS role."""

from __future__ import annotations

from typing import Any

from concertmaster.action.job import Job
from concertmaster.errors import EnvironmentFault
from concertmaster.github.identity import IdentitySource, Refused, fetch_json
from concertmaster.retry import TransientFault
from concertmaster.text.display import display

AUDIENCE = "sts.amazonaws.com"
_VERSION = "2011-06-15"  # of the API
_KEYS = {
    "AWS_ACCESS_KEY_ID": "AccessKeyId",
    "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
    "AWS_SESSION_TOKEN": "SessionToken",
}


def aws_keys(job: Job, source: IdentitySource) -> dict[str, str]:
    """Return keys of the role as variables. Raises EnvironmentFault if GitHub or AWS refuses."""
    return _assume_role(job, source.request(AUDIENCE, clock=job.clock))


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
