"""Writes the schemas of this folder: `make schema`.

They are made from the declarations of the settings, and from the values that `--json` prints.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from concertmaster.cli.clean import CleanResult
from concertmaster.cli.doctor_finding import DoctorFinding
from concertmaster.cli.improve_answer import ImprovedPrompt
from concertmaster.cli.split_answer import SplitPart
from concertmaster.engine.damaged_run import RepairReport
from concertmaster.model import Plan, Usage
from concertmaster.planning.explain import Explanation
from concertmaster.planning.pair_chances import PairChance
from concertmaster.planning.predicted_schedule import ScheduledTask
from concertmaster.report.github_run import RunView
from concertmaster.report.model import Report
from concertmaster.report.next_steps import NextStep
from concertmaster.settings.json_schema import make_schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TEXT, NUMBER, TRUTH = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
TEXTS = {"type": "array", "items": TEXT}
_OF_TASK = {"run": TEXT, "task": TEXT}
# The schema of what each command prints with `--json`. A plan that is only shown is one of `plan`.
SCHEMAS = {
    **dict.fromkeys(("run", "resume", "retry", "land", "demo", "report"), "report"),
    **{name: name for name in ("plan", "status", "logs", "diff", "open", "cancel", "new", "clean")},
    **{name: name for name in ("doctor", "init", "improve", "split", "repair", "watch")},
}


def make_schemas() -> dict[str, str]:
    """Return the text of each schema by the name of its file."""
    report = {"folder": TEXT}
    status = {**report, "running": TRUTH}
    documents = {
        "plan": _of_value(
            Plan,
            "What `plan --json` prints",
            {"timeline": _of_rows(ScheduledTask), "collisions": _of_rows(PairChance)},
        ),
        "report": _of_value(Report, "What `run`, `resume` and `report --json` print", report),
        "status": _of_value(Report, "What `status RUN --json` prints", status),
        "logs": _of_parts(
            "What `logs TASK --json` prints",
            {**_OF_TASK, "attempt": NUMBER, "path": TEXT, "lines": TEXTS},
        ),
        "diff": _of_parts(
            "What `diff TASK --json` prints",
            {**_OF_TASK, "attempt": NUMBER, "base": TEXT, "commit": TEXT, "diff": TEXT},
        ),
        "open": _of_parts(
            "What `open TASK --json` prints",
            {**_OF_TASK, "path": TEXT, "branch": TEXT, "commit": TEXT},
        ),
        "cancel": _of_parts(
            "What `cancel RUN|TASK --json` prints; a run has no task",
            {"run": TEXT, "task": TEXT, "answer": TEXT},
        ),
        **_of_rare_commands(),
        "new": _of_parts("What `new TITLE --json` prints", {"path": TEXT, "command": TEXT}),
    }
    texts = {f"{name}.schema.json": _write(schema) for name, schema in documents.items()}
    return {"concertmaster.schema.json": make_schema(), **texts}


def _of_rare_commands() -> dict[str, dict[str, Any]]:
    written = {"prompt": TEXT, "written": TRUTH, "usage": _of_value(Usage, "", {})}
    seconds = {"has_landed": TRUTH, "elapsed_seconds": {"type": "number"}}
    trial = _of_parts("", {"passed": TRUTH, "reason": TEXT})
    init = {"written": TEXTS, "left": TEXTS, "next_steps": _of_rows(NextStep)}
    found = _of_parts("What `init --json` prints", init)
    drafts = _of_rows(SplitPart)
    drafts["items"]["properties"]["path"] = TEXT
    parts = {"folder": TEXT, "whole": TEXT, "drafts": drafts, "notes": TEXTS, "command": TEXT}
    return {
        "clean": _of_value(CleanResult, "What `clean --json` prints", {}),
        "doctor": {"title": "What `doctor --json` prints", **_of_rows(DoctorFinding)},
        "explain": _of_value(Explanation, "What `plan --explain A B --json` prints", {}),
        "improve": _of_value(ImprovedPrompt, "What `improve PROMPT --json` prints", written),
        "init": {**found, "properties": {**found["properties"], "trial": trial}},
        "repair": _of_value(RepairReport, "What `repair RUN --json` prints", {}),
        "split": _of_parts("What `split LIST --json` prints", {**written, **parts}),
        "watch": _of_value(RunView, "What `watch ISSUE --json` prints", seconds),
    }


def _of_value(kind: type, title: str, more: dict[str, Any]) -> dict[str, Any]:
    schema = TypeAdapter(kind).json_schema(mode="serialization")
    properties = {**schema["properties"], **more}
    required = [*properties]  # `asdict` writes every field
    return {**schema, "title": title, "properties": properties, "required": required}


def _of_rows(kind: type) -> dict[str, Any]:
    schema = TypeAdapter(kind).json_schema(mode="serialization")
    return {"type": "array", "items": {**schema, "required": [*schema["properties"]]}}


def _of_parts(title: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": title,
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": [*properties],
    }


def _write(schema: dict[str, Any]) -> str:
    return json.dumps({"$schema": DIALECT, **schema}, indent=2) + "\n"


if __name__ == "__main__":
    for name, text in make_schemas().items():
        Path(__file__).with_name(name).write_text(text)
