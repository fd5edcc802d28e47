"""Writes our action and workflows in a form that the local runner can run.

Such an edition differs from the real files where that runner lacks a feature: `$/`, keys that only
GitHub reads, and tokens. Each job gets a token with the permissions that it declares.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from concertmaster.settings.action_source import EXAMPLE_SOURCE
from docs.job_actions import FOLDERS
from docs.release_references import ACTIONS
from tests.e2e.engine import ROOT

NAME = EXAMPLE_SOURCE.repository
SELF = f"{NAME}@v1"
# Our action as workflows name it, and as the local runner does.
OWN = {
    **{f"$/{folder}": f"{NAME}/{folder}@v1" for folder in FOLDERS},
    **{named: named for named in (SELF, f"{NAME}/trusted@v1")},
}
STANDINS = Path(__file__).parent / "standins"
# A folder that only the containers of one job share, like RUNNER_TEMP on GitHub.
RUNNER_TEMP = "/var/run/act/temp"
KEPT = "/artifacts/.kept"
SUMMARY = "/var/run/act/summary.md"  # not the runner's own, which it empties before the next step
UNKNOWN_KEYS = ("cache-mode", "concurrency")
OFFICIAL = {"upload-artifact": "upload", "download-artifact": "download"}

Permissions = Mapping[str, str]
Document = dict[Any, Any]


def read_workflow(path: Path) -> Document:
    """Return the workflow of a file."""
    return parse_workflow(path.read_text())


def parse_workflow(text: str) -> Document:
    """Return the workflow with the key `on`, which YAML 1.1 reads as a boolean."""
    found = yaml.safe_load(text)
    return {("on" if key is True else key): value for key, value in found.items()}


def publish(
    folder: Path,
    images: tuple[str, str],
    *,
    token: Callable[[Permissions], str],
    only: frozenset[str] | None = None,
) -> None:
    """Write the edition of this repository, as other repositories use it by `@v1`.

    `images` are that without agents and that with them. `only` limits it to these jobs, without
    the outputs of the others.
    """
    for name, which in ACTIONS.items():
        action = yaml.safe_load((ROOT / name).read_text())
        action["runs"]["image"] = f"docker://{images[which]}"
        action["runs"]["entrypoint"] = " ".join(
            ("env", f"RUNNER_TEMP={RUNNER_TEMP}", f"GITHUB_STEP_SUMMARY={SUMMARY}", "concertmaster")
        )
        _write(folder / name, action)
    for name in ("orchestrate.yml", "control.yml"):
        path = f".github/workflows/{name}"
        workflow = edit(read_workflow(ROOT / path), token=token)
        _write(folder / path, workflow if only is None else _cut(workflow, only))


def edit(workflow: Document, *, token: Callable[[Permissions], str]) -> Document:
    """Return the workflow for the local runner.

    A job that calls another workflow gets no token of its own.
    """
    kept = {key: value for key, value in workflow.items() if key not in UNKNOWN_KEYS}
    jobs = {name: _edit_job(name, job, token=token) for name, job in workflow["jobs"].items()}
    return {**kept, "jobs": jobs}


def _cut(workflow: Document, only: frozenset[str]) -> Document:
    jobs = {name: job for name, job in workflow["jobs"].items() if name in only}
    call = {
        key: value for key, value in workflow["on"]["workflow_call"].items() if key != "outputs"
    }
    return {**workflow, "on": {"workflow_call": call}, "jobs": jobs}


def _edit_job(name: str, job: Document, *, token: Callable[[Permissions], str]) -> Document:
    kept = {key: value for key, value in job.items() if key != "concurrency"}
    if "steps" not in job:
        return kept
    if "strategy" in kept:  # the runner evaluates no expression for a number
        kept["strategy"] = {**job["strategy"], "max-parallel": 2}
    given = token(job["permissions"])
    steps = [_edit_step(step, token=given) for step in job["steps"]]
    return {**kept, "steps": [*steps, _keep(name)]}


def _edit_step(step: Document, *, token: str) -> Document:
    if step.get("uses") not in OWN:
        return step
    return {
        **step,
        "uses": OWN[step["uses"]],
        "with": {**step.get("with", {}), "github_token": token},
    }


def _keep(job: str) -> Document:
    """Return a step that keeps the job's summary, which is lost with its container."""
    file = f"{KEPT}/{job}-${{{{ matrix.share }}}}.md"
    run = f"mkdir -p {KEPT}; ! [ -e {SUMMARY} ] || cp {SUMMARY} {file}"
    return {"if": "${{ always() }}", "run": run}


def replacements(folder: Path) -> dict[str, Path]:
    """Map each `owner/name@ref` to the folder that the runner uses for it."""
    used = {found for path in ROOT.glob(".github/workflows/*.yml") for found in _uses(path)}
    official = {one: STANDINS / OFFICIAL.get(_short(one), "absent") for one in sorted(used)}
    return {SELF: folder, **official}


def _uses(path: Path) -> Iterator[str]:
    yield from re.findall(r"uses: (actions/[\w-]+@\w+)", path.read_text())


def _short(uses: str) -> str:
    return uses.removeprefix("actions/").partition("@")[0]


def _write(path: Path, document: Document) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, sort_keys=False))
