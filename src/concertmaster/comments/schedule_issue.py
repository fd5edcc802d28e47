"""Writes the issue on a schedule that could not start."""

from __future__ import annotations

from concertmaster.text.markdown import clip
from concertmaster.text.marks import mark, read_marks

SCHEDULE_KIND = "schedule"
TITLE = "The scheduled prompts could not start"


def schedule_issue(reason: str, *, run: str, workflow_url: str) -> str:
    """Return the body of the issue; `reason` is Markdown of ours."""
    return clip(
        f"{mark(run=run, kind=SCHEDULE_KIND)}\n{reason}\n\n"
        f"[Workflow run]({workflow_url}). The prompts are those of `schedule` in "
        "concertmaster.yml. This issue closes itself when a scheduled run starts."
    )


def is_schedule_issue(body: str) -> bool:
    """Return whether the body is that of such an issue."""
    return any(one.kind == SCHEDULE_KIND for one in read_marks(body))
