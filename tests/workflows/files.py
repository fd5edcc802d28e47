"""Reads the workflows, examples and actions of this repository, as text and as YAML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from concertmaster.settings.action_source import EXAMPLE_SOURCE

ROOT = Path(__file__).resolve().parents[2]
NAME = EXAMPLE_SOURCE.repository
# The actions at the commit of the workflow itself, by the image that they have.
TRUSTED, AGENTS = "$/trusted", "$/agents"
HERE = (TRUSTED, AGENTS)

# Keys that GitHub knows but the parser's latest release does not.
_TOO_NEW = re.compile(r"^cache-mode:.*\n", re.MULTILINE)


@dataclass(frozen=True)
class File:
    """A YAML file of the repository; `name` is its path there."""

    name: str
    text: str

    @cached_property
    def yaml(self) -> Any:
        """The document as GitHub reads it, with `on` as a word and not a boolean."""
        return yaml.load(self.text, Loader=_Loader)

    @property
    def jobs(self) -> dict[str, Any]:
        jobs: dict[str, Any] = self.yaml["jobs"]
        return jobs

    def steps(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each step with the name of its job."""
        for name, job in self.jobs.items():
            for step in job.get("steps", ()):
                yield name, step

    @property
    def for_the_parser(self) -> str:
        return _TOO_NEW.sub("", self.text)


class _Loader(yaml.SafeLoader):
    """A loader that reads only the booleans of YAML 1.2."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:bool"]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), list("tf"))


def read(name: str) -> File:
    return File(name, (ROOT / name).read_text("utf-8"))


def _read_all(folder: str, *, without: str = "") -> dict[str, File]:
    paths = sorted((ROOT / folder).glob("*.yml"))
    return {path.stem: read(f"{folder}/{path.name}") for path in paths if path.stem != without}


WORKFLOWS: Mapping[str, File] = _read_all(".github/workflows")
EXAMPLES: Mapping[str, File] = _read_all("examples", without="parent-issue")
PROBES: Mapping[str, File] = _read_all("docs/smoke")
ACTION = read("action.yml")
HOST = read("host/action.yml")
JOB_ACTIONS = tuple(read(f"{name}/action.yml") for name in ("trusted", "agents"))
CALLED = ("orchestrate", "orchestrate-federated", "control")
EVERYTHING = (*WORKFLOWS.values(), *EXAMPLES.values(), *PROBES.values(), ACTION, HOST, *JOB_ACTIONS)
