"""Knows the front matter and the headers that files of other tools have.

What means the same here is read under our name; every other known key is ignored, and said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

# The keys that mean the same as ours, and ours.
SAME = MappingProxyType(
    dict.fromkeys(("task_id", "task-id", "taskid"), "id")
    | dict.fromkeys(
        """dependencies dependency depends_on depends-on dependson depends blocked_by blocked-by
        blockedby""".split(),
        "dependencies",
    )
)
PRIORITIES = MappingProxyType(
    {"critical": 2, "urgent": 2, "high": 1, "medium": 0, "normal": 0, "low": -1}
)
DONE = frozenset({"implemented", "completed", "complete", "done", "closed", "finished"})
DROPPED = frozenset({"won't do", "wont do", "wontfix", "cancelled", "canceled", "obsolete"})

_MODES_OF_COPILOT = frozenset({"agent", "ask", "edit", "plan"})  # values of its key `agent`

# Keys that tools write and that have no meaning here, in lower case.
_KEYS = {
    "the seed": "issue_number created_by date description",
    "Backlog.md": """assignee reporter created_date updated_date completed_date labels milestone
        ordinal references parent_task_id parent subtasks documentation modified_files type
        acceptance_criteria""",
    "task-master": "details teststrategy test_strategy complexity",
    "spec-kit": "scripts agent_scripts feature branch created input handoffs",
    "Kiro": "inclusion filematchpattern keywords version author",
    "Claude Code": """name allowed-tools disallowed-tools disallowedtools argument-hint arguments
        model color tools hooks context effort disable-model-invocation user-invocable when_to_use
        when-to-use permissionmode mcpservers maxturns memory background isolation skills license
        metadata compatibility""",
    "Copilot": """mode applyto excludeagent authors lastupdated last_updated date_created owner
        tags category categories post_title post_slug mcp-servers infer target hidden
        estimatedreadingtime relatedarticles prerequisites featured_image microsoft_alias
        ai_note summary post_date template thumbnail tableofcontents prev next""",
    "agentic workflows": """on permissions safe-outputs engine network timeout-minutes
        if checkout strict imports steps post-steps runtimes runs-on sandbox""",
    "Cursor": "globs alwaysapply",
    "Windsurf": "trigger",
    "opencode": "temperature top_p subtask disable steps permission",
    "notes": """aliases cssclasses cssclass layout permalink slug draft publish published
        created_at updated_at updated modified lang weight toc about url source""",
}
_IGNORED = frozenset(key for keys in _KEYS.values() for key in keys.split())
_ONE_LINE = re.compile(r"([\w-]{1,60}):[ \t]+\S")
_HEADER = re.compile(r"#[ \t]+([A-Z][A-Za-z ]{1,30}):[ \t]*(.*)")
_NONE = ("", "none", "n/a", "-")


def as_ours(key: str) -> str:
    """Return the name under which this key of any tool is read here."""
    return SAME.get(key.lower(), key)


def is_ignored(key: str, value: object) -> bool:
    """Return whether this key of another tool has no meaning here.

    `agents` counts only with a list, as Copilot writes it: with a text it is a misspelt `agent`.
    """
    return key.lower() in _IGNORED or (key == "agents" and isinstance(value, list))


def is_mode(agent: str) -> bool:
    """Return whether this value of `agent` is a mode of Copilot, and no agent of ours."""
    return agent.lower() in _MODES_OF_COPILOT


def blank_ignored(block: str) -> str:
    """Return front matter in which the ignored one-line values cannot break YAML.

    Cursor writes `globs: **/*.ts`, and Claude Code `argument-hint: [name] [--force]`.
    """
    lines = block.split("\n")
    return "\n".join(map(_blank, lines, [*lines[1:], ""]))


def _blank(line: str, after: str) -> str:
    # An indented line goes on with the value above it.
    found = None if after[:1].isspace() else _ONE_LINE.match(line)
    return f"{found[1]}: ''" if found and found[1].lower() in _IGNORED else line


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskHeader:
    """The lines at the top of a task-master file, under the names of our front matter.

    `lines` is the number of lines that they take.
    """

    values: Mapping[str, object]
    lines: int


def read_header(text: str) -> TaskHeader | None:
    """Return the `# Task ID: 3` lines that open a file of task-master, None without them."""
    values: dict[str, object] = {}
    number = 0
    lines = text[:8192].split("\n")
    for number, line in enumerate(lines):  # noqa: B007
        found = _HEADER.match(line)
        if not found or found[1] in ("Details", "Description"):
            break
        values[found[1].lower()] = found[2].strip()
    if "task id" not in values:
        return None
    ours = {"id": values["task id"], "title": values.get("title", "")}
    ours |= {key: values[key] for key in ("status", "priority") if values.get(key)}
    if str(values.get("dependencies", "")).lower() not in _NONE:
        ours["dependencies"] = re.findall(r"\d+(?:\.\d+)*", str(values["dependencies"]))
    return TaskHeader(values=ours, lines=number)


def same_task(name: str, other: str) -> bool:
    """Return whether two ids of tasks are the same: `TASK-7`, `task-7` and `7` are."""
    return _bare(name) == _bare(other) != ""


def _bare(name: str) -> str:
    return re.sub(r"^(?:task|issue|t|#)[-_ ]?(?=\d)", "", name.strip().lower())


_OPEN_TASK = re.compile(r"^[ \t]{0,8}[-*] \[ \] (?:\*\*)?(?:T\d{3}|\d{1,3}(?:\.\d{1,3}){0,3}\.?)\b")
_TICKED_TASK = re.compile(
    r"^[ \t]{0,8}[-*] \[[xX]\] (?:\*\*)?(?:T\d{3}|\d{1,3}(?:\.\d{1,3}){0,3}\.?)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCount:
    """The numbered tasks in one file, as spec-kit and Kiro write them: `- [ ] T001 …`."""

    open: int
    ticked: int


def count_tasks(text: str) -> TaskCount:
    """Return the number of tasks with an empty and with a ticked box."""
    lines = text.split("\n")
    return TaskCount(
        open=sum(1 for line in lines if _OPEN_TASK.match(line)),
        ticked=sum(1 for line in lines if _TICKED_TASK.match(line)),
    )
