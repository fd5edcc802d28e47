"""Says which repository and ref the workflows of a user name as the action."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from concertmaster.errors import UsageError

_REPOSITORY = r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}"
_SOURCE = re.compile(rf"(?P<repository>{_REPOSITORY})@(?P<ref>[A-Za-z0-9._/-]{{1,200}})")
_GITHUB = re.compile(rf"(?:git\+)?https://github\.com/({_REPOSITORY})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSource:
    """A repository, as owner/name, and a tag, branch or commit of it."""

    repository: str
    ref: str

    def fill(self, example: str) -> str:
        """Return the example file with this source in place of the one that it names."""
        named = re.compile(
            rf"{re.escape(EXAMPLE_SOURCE.repository)}([\w./-]*)@{EXAMPLE_SOURCE.ref}\b"
        )
        filled = named.sub(rf"{self.repository}\1@{self.ref}", example)
        return filled.replace(EXAMPLE_SOURCE.repository, self.repository)


# The source that the examples of the repository name. No other place of the source may name one.
EXAMPLE_SOURCE = ActionSource(repository="concertmaster-dev/concertmaster", ref="v1")

# Workflows that a repository gets as files of its own in the compatible form, and their places.
CALLED: Mapping[str, str] = {
    name: f".github/workflows/concertmaster-{name}" for name in ("orchestrate.yml", "control.yml")
}
# What an older server refuses, and what stands for it in the compatible form. Each is one line.
_COMPATIBLE = (
    (r"^cache-mode:.*\n", ""),  # its caches are as other workflows have them
    (r"^ +queue: max\n", ""),  # one request waits, and a later one takes its place
    (r"uses: \$/(\w+).*", rf"uses: {EXAMPLE_SOURCE.repository}/\1@{EXAMPLE_SOURCE.ref}"),
    (
        rf"uses: {EXAMPLE_SOURCE.repository}/\.github/workflows/([\w-]+\.yml)@.*",
        r"uses: ./.github/workflows/concertmaster-\1",
    ),
)


def make_compatible(workflow: str) -> str:
    """Return a workflow of ours, or an example, without what older servers refuse."""
    for pattern, replacement in _COMPATIBLE:
        workflow = re.sub(pattern, replacement, workflow, flags=re.MULTILINE)
    return workflow


def find_action_source(given: str) -> ActionSource:
    """Return the source as given, OWNER/NAME@REF, else where this package was installed from.

    Raises UsageError for another form, and if nothing is given and the package does not tell.
    """
    if given:
        return _parse(given)
    if installed := _read_installed(_read_origin()):
        return installed
    raise UsageError(
        "it is not known which repository the workflow shall take Concertmaster from",
        why="this package was not installed from a repository on GitHub",
        next_step="name it: --action OWNER/NAME@REF, best with a commit as REF; "
        "it gets your agent's key and a token that writes, so name one that you trust",
    )


def _parse(given: str) -> ActionSource:
    found = _SOURCE.fullmatch(given)
    if not found or ".." in given:
        raise UsageError(
            f"{given!r} names no action",
            why="its form is OWNER/NAME@REF",
            next_step="give for example --action octo/concertmaster@v1",
        )
    return ActionSource(**found.groupdict())


def _read_origin() -> Any:
    """Return the origin of this package as pip has recorded it (PEP 610), None if it has not."""
    try:
        return json.loads(distribution("concertmaster").read_text("direct_url.json") or "null")
    except (PackageNotFoundError, ValueError):
        return None


def _read_installed(origin: Any) -> ActionSource | None:
    """Return the source that the recorded origin names, at its commit."""
    if not isinstance(origin, dict) or not isinstance(origin.get("vcs_info"), dict):
        return None
    address = _GITHUB.fullmatch(str(origin.get("url", "")).removesuffix(".git"))
    commit = str(origin["vcs_info"].get("commit_id", ""))
    if not address or not re.fullmatch(r"[0-9a-f]{40}", commit):
        return None
    return ActionSource(repository=address[1], ref=commit)
