"""Starts workflow runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

from concertmaster.errors import EnvironmentFault
from concertmaster.github.client import Client
from concertmaster.github.errors import Invalid, NotFound


class NotDispatchable(EnvironmentFault):
    """The workflow file is missing, or accepts no dispatch with these inputs."""


@dataclass(frozen=True)
class Workflows:
    """The workflows of one repository."""

    wire: Client

    def dispatch(self, workflow: str, *, ref: str, inputs: Mapping[str, str]) -> None:
        """Start a run of the workflow on the branch `ref`. Raises NotDispatchable, NotAllowed.

        `workflow` is a file's name or path, or a whole `github.workflow_ref`. After a lost answer,
        a new run counts as started by this call, even if it is somebody else's: a missing round
        stays due, while a second one would do the work twice.
        """
        file = workflow.partition("@")[0].rpartition("/")[2]
        path = f"/actions/workflows/{quote(file, safe='')}"
        body = {"ref": ref, "inputs": dict(inputs)}
        with _told(file):
            known = self._latest_run(path)

        def look_up() -> bool | None:
            return self._latest_run(path) > known or None

        def start() -> bool:
            with _told(file):
                self.wire.send("POST", f"{path}/dispatches", body)
            return True

        self.wire.write(f"start the workflow {file}", look_up, start)

    def _latest_run(self, path: str) -> int:
        """Return the id of the newest dispatched run, or 0."""
        found = self.wire.get(f"{path}/runs", event="workflow_dispatch", per_page=1)
        return max((int(run["id"]) for run in found.get("workflow_runs") or ()), default=0)


@contextmanager
def _told(file: str) -> Iterator[None]:
    """Raise Invalid and NotFound as NotDispatchable, with the next step."""
    try:
        yield
    except (Invalid, NotFound) as error:
        raise NotDispatchable(
            f"the workflow {file} could not be started",
            why=error.why,
            next_step=f"give {file} on the default branch the trigger `workflow_dispatch` with "
            "the inputs that its next round needs",
        ) from error
