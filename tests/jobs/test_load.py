"""Whole rounds of many prompts: few calls for each, and never more than GitHub allows."""

from __future__ import annotations

from pathlib import Path

import pytest

from concertmaster.core.model import TaskState
from tests.github.calls import Call
from tests.github.double import Double
from tests.jobs.house import SETTINGS, House
from tests.jobs.test_many import api_calls, cost
import time

pytestmark = pytest.mark.matrix

JOBS = ("plan", "work", "verify", "finalize")


@pytest.mark.parametrize("number", [50, 256])
def test_whole(number: int, double: Double, tmp_path: Path) -> None:
    prompts = {f"p{n:03}": f"# Write {n:03}\n\nwrite p{n:03}.txt x\n" for n in range(number)}
    house = House.build(double, tmp_path, prompts, settings=f"{SETTINGS}parallel: 8\nphases: lean\n")
    held = house.ask(house.open_issue(*prompts), max_parallel=1)
    spent: dict[str, list[Call]] = {}
    for name in JOBS:
        double.log.clear()
        began = time.monotonic()
        t = double.clock.seconds()
        getattr(held, name)()
        spent[name] = list(api_calls(double))
        print(name, cost(spent[name]), len(spent[name]), "real", time.monotonic() - began, "bent", double.clock.seconds() - t)
    print({c.status for calls in spent.values() for c in calls})
    print([(c.method, c.path, c.status) for calls in spent.values() for c in calls if c.status != 200 and c.status != 201])
    print("total", sum(map(cost, spent.values())) / number)
    h = house.history(held.outputs["run"])
    from collections import Counter
    print(Counter(o.state for o in h.tasks), Counter(o.reason for o in h.tasks))
    print(held.said[-3000:])
    assert 0
