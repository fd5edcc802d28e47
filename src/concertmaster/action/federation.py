"""Gives agents access to the clouds that trust this job, without what the job asks with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from concertmaster.action.aws_keys import aws_keys
from concertmaster.action.azure_access import azure_access
from concertmaster.action.google_access import google_access
from concertmaster.action.job import Job
from concertmaster.action.token_server import TokenServer
from concertmaster.errors import UsageError
from concertmaster.github.identity import IdentitySource
from concertmaster.settings.agent_variables import AgentVariables

# Inputs that need each other.
_BESIDE = {
    "aws_role": "aws_region",
    "google_account": "google_provider",
    "azure_client": "azure_tenant",
    "azure_tenant": "azure_client",
}
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_LOOPBACK = "127.0.0.1"


@contextmanager
def federated(job: Job, *, is_isolated: bool) -> Iterator[Job]:
    """Yield the job whose agents get access to the clouds that its inputs name.

    It is the same job where they name none. The tokens of Google and Azure are renewed until the
    end of the context. Raises UsageError if an agent could read more than that, or for an input
    that is missing; EnvironmentFault if GitHub or a cloud refuses.
    """
    settings = job.settings
    named = [name for name in _BESIDE if getattr(settings, name)]
    if not named and not settings.google_provider:
        if settings.identity_url:
            job.console.note("this job may prove its identity, but no input names a cloud for that")
        yield job
        return
    _check(job, named, is_isolated=is_isolated)
    source = IdentitySource(
        url=settings.identity_url, token=settings.identity_token.get_secret_value()
    )
    with ExitStack() as stack:
        yield _giving(job, source, stack)


def _check(job: Job, named: list[str], *, is_isolated: bool) -> None:
    if not is_isolated:
        raise UsageError(
            "federation needs a user for each attempt",
            why="an agent that runs as the user of this job could ask for further keys itself",
            next_step="take the container action, with `isolation: user`",
        )
    for name in named:
        if not getattr(job.settings, _BESIDE[name]):
            raise UsageError(
                f"the input `{_BESIDE[name]}` is missing",
                why=f"`{name}` needs it",
                next_step=f"set it beside `{name}`",
            )


def _giving(job: Job, source: IdentitySource, stack: ExitStack) -> Job:
    """Return the job with the variables of each cloud."""
    settings, plain, secret = job.settings, dict[str, str](), dict[str, str]()
    if settings.aws_role:
        secret |= aws_keys(job, source)
        plain |= dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), settings.aws_region)
        told = f"keys of {settings.aws_role} for {settings.aws_minutes} minutes"
        job.console.note(f"agents get {told}")
    if settings.google_provider or settings.azure_client:
        server = stack.enter_context(TokenServer())
        secret |= {"IDENTITY_HEADER": server.secret}  # so that the addresses are redacted
        plain |= _reach_loopback(job.environment)
    if settings.google_provider:
        folder = stack.enter_context(TemporaryDirectory(prefix="google-", dir=job.folder))
        plain |= google_access(job, source, server, Path(folder))
        told = settings.google_account or settings.google_provider
        job.console.note(f"agents get tokens of {told}, which are renewed")
    if settings.azure_client:
        plain |= azure_access(job, source, server)
        told = f"the application {settings.azure_client}"
        job.console.note(f"agents get tokens of {told}, which are renewed")
    given = AgentVariables(
        plain={**job.agent_variables.plain, **plain},
        secrets={**job.agent_variables.secrets, **secret},
    )
    return replace(job, agent_variables=given, environment=given.added_to(job.environment))


def _reach_loopback(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that keep requests to this machine from a proxy."""
    if not any(environment.get(name) or environment.get(name.lower()) for name in _PROXIES):
        return {}
    names = [name for name in ("NO_PROXY", "no_proxy") if environment.get(name)]
    return {
        name: ",".join(filter(None, (environment.get(name, ""), _LOOPBACK)))
        for name in names or ("NO_PROXY", "no_proxy")
    }
