"""The agent that docs/agents.md adds works as it is written there."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from concertmaster.agents.catalog import KNOWN
from concertmaster.agents.protocol import AgentReport, AgentRequest

PAGE = Path(__file__).parents[3] / "docs" / "agents.md"


@pytest.fixture
def robin(monkeypatch: pytest.MonkeyPatch) -> Any:
    (source,) = re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert sum(bool(line.strip()) for line in source.splitlines()) <= 60
    module = ModuleType("robin")
    monkeypatch.setitem(sys.modules, "robin", module)  # dataclasses look it up
    exec(compile(source, str(PAGE), "exec"), module.__dict__)
    return module


def read(robin: Any, *events: dict[str, Any]) -> AgentReport:
    reader = robin.Robin("robin", "gpt-5-mini").reader(AgentRequest(text=""))
    for event in events:
        reader.feed(json.dumps(event).encode())
    report: AgentReport = reader.finish(exit_ok=True, exit_text="exit 0")
    return report


def test_it_works_and_fails_as_the_others(robin: Any) -> None:
    begin = {"type": "begin", "session": "s1"}
    end = {"type": "end", "usage": {"input": 1_000_000, "output": 0}}

    report = read(robin, begin, {"type": "text", "text": "Done."}, end)

    assert (report.ok, report.session, report.final_text) == (True, "s1", "Done.")
    assert report.usage.cost_usd == pytest.approx(0.25)
    assert not read(robin, begin).ok
    assert read(robin, begin, {"type": "error", "message": "429: slow down"}).limited


def test_its_reader_gets_no_tool_that_writes(robin: Any) -> None:
    argv = robin.Robin("robin").argv(AgentRequest(text="", session="s1", reads_only=True))

    assert argv == ("robin", "run", "--json", "--tools", "read", "--session=s1")


def test_the_page_names_each_agent() -> None:
    text = PAGE.read_text("utf-8")

    assert [name for name in KNOWN if f"| `{name}` |" not in text] == []
