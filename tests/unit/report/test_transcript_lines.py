from __future__ import annotations

import json

import pytest

from concertmaster.report.transcript_lines import say_transcript_line

ASSISTANT = {
    "type": "assistant",
    "message": {
        "content": [
            {"type": "text", "text": "I look.\nThen I edit."},
            {"type": "tool_use", "name": "Edit", "input": {"path": "a.py"}},
        ]
    },
}
CODEX = {"type": "item.completed", "item": {"type": "command_execution", "command": "ls -l"}}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("plain words", ["plain words"]),
        ("[1, 2]", ["[1, 2]"]),
        (json.dumps(ASSISTANT), ["I look.", "Then I edit.", '[Edit] {"path": "a.py"}']),
        (json.dumps(CODEX), ["[ls -l]"]),
        (json.dumps({"type": "result", "result": "done"}), ["done"]),
        (json.dumps({"type": "system", "session": "x"}), []),
        ("[" * 5000, ["[" * 5000]),
    ],
)
def test_a_line_of_a_transcript_is_said_in_words(line: str, told: list[str]) -> None:
    assert [*say_transcript_line(line)] == told
