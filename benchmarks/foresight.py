"""Measures what foresight and repair are worth: twelve tasks on a generated shop, by real runs.

Six tasks change one function in pairs; two pairs merge and break the check together; all add to the
changelog. The plan does one task at a time, or has no exclusions, those of prompts that name one
file, or those of foresight; each with and without repair. Running agents are watched with foresight
only. The agents are scripts that sleep. Fails when not all tasks land with foresight and repair.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path

from concertmaster.engine.local_run import start_run
from concertmaster.engine.recorded_run import RecordedRun
from concertmaster.engine.run_context import LOOK_SECONDS
from concertmaster.engine.run_home import RunHome
from concertmaster.events import Event
from concertmaster.git.repository import make_repository
from concertmaster.landing.fault import LandingFault
from concertmaster.model import Exclusion, Plan, TaskState
from concertmaster.planning.build_plan import Planned, make_plan
from concertmaster.planning.checkout import PlanRequest
from concertmaster.planning.scheduler import Network, predict_ends
from concertmaster.run.notices import NoticeKind
from concertmaster.run.state import RunState
from concertmaster.sandbox.supervisor import Guard
from concertmaster.settings.choices import Radar

AGENT = Path(__file__).with_name("shop_agent.py")
CHECK = "python3 -m unittest discover -q -s tests -t ."
SLOTS = 4
MOST_REPAIRS = 2
NEVER = 1e9  # seconds

FILES = {
    "README.md": "# A shop\n",
    "CHANGES.md": "# Changes\n\n## Unreleased\n\n- The first version\n",
    ".gitignore": "__pycache__/\n",
    "shop/__init__.py": "",
    "shop/price.py": "def total(prices):\n    return sum(prices)\n",
    "shop/stock.py": "def reserve(stock, name, pieces):\n    return stock[name] - pieces\n",
    "shop/mail.py": "def greeting(name):\n    return f'Dear {name}'\n",
    "shop/customers.py": "def find_customer(customers, name):\n    return customers[name]\n",
    "shop/report.py": "def summary(orders):\n    return f'{len(orders)} orders'\n",
    "shop/shipping.py": "def weight(pieces):\n    return pieces * 500\n",
    "shop/labels.py": "def label(name):\n    return name.upper()\n",
    "tests/__init__.py": "",
    "tests/test_shop.py": "import unittest\n\nfrom shop.labels import label\n\n\n"
    "class Test(unittest.TestCase):\n    def test_label(self):\n"
    "        self.assertEqual(label('pen'), 'PEN')\n",
}

PROMPTS = {
    "A discount for large orders": "Orders above 100 get 10 % off in `total` of shop/price.py.",
    "Totals in whole cents": "`total` in shop/price.py shall round to two digits.",
    "No negative stock": "`stock.reserve` must never return less than 0.",
    "Whole pieces": "`reserve` of the stock returns fractions. Make it return whole pieces.",
    "A comma behind the greeting": "The greeting of our mail shall end with a comma.",
    "No double blanks in a greeting": "Mail with a blank before the name has two in its greeting.",
    "Customers by country": "`find_customer` needs a third, required argument `country`. "
    "Change all that call it.",
    "A line of an invoice": "Add `invoice_line(customers, name)` to shop/report.py. "
    "It looks up the customer by `find_customer`.",
    "Weights in kilograms": "`weight` in shop/shipping.py shall return kilograms, not grams.",
    "Mark heavy parcels": "Add `is_heavy(pieces)` to shop/labels.py, true above two kilograms "
    "by `weight`.",
    "Addresses of products": "Add `slug(title)` in a new module shop/slug.py.",
    "How to run the tests": "Say in README.md how to run the tests.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one run came to. `repairs` are attempts of agents that mended a result.

    `yielded` counts how often a task went on behind another one.
    """

    plan: str
    repairs_allowed: bool
    exclusions: int
    conflicts: int
    broken: int
    repairs: int
    yielded: int
    landed: int
    wall_seconds: float
    agent_seconds: float


class Silent:
    """Watches a run and says nothing."""

    def update(self, state: RunState, event: Event) -> None:
        pass

    def activity(self, task: str, text: str) -> None:
        pass

    def notice(self, text: str) -> None:
        print(text, file=sys.stderr)


def make_shop(folder: Path) -> tuple[Path, ...]:
    """Make the repository; return the prompt files."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    make_repository(folder, branch="main", message="A shop")
    prompts = folder.parent / "prompts"
    prompts.mkdir()
    for number, (title, text) in enumerate(PROMPTS.items()):
        path = prompts / f"{number:02}.md"
        path.write_text(f"# {title}\n\n{text}\nAdd a line to CHANGES.md.\n")
    return tuple(sorted(prompts.iterdir()))


def without_exclusions(plan: Plan) -> Plan:
    """Return the plan in which all tasks may run together."""
    return _reorder(replace(plan, exclusions=()))


def one_after_another(plan: Plan) -> Plan:
    """Return the plan in which each task starts from the results of those before it."""
    pairs = combinations(plan.order, 2)
    found = tuple(Exclusion(tasks=pair, probability=1.0, reason="all apart") for pair in pairs)
    return _reorder(replace(plan, exclusions=found))


def by_file_names(plan: Plan) -> Plan:
    """Return the plan that keeps apart the tasks whose prompts name the same file of code."""
    named = {task.id: set(re.findall(r"[\w/]+\.py", PROMPTS[task.title])) for task in plan.tasks}
    pairs = [pair for pair in combinations(named, 2) if named[pair[0]] & named[pair[1]]]
    found = tuple(Exclusion(tasks=pair, probability=1.0, reason="one file") for pair in pairs)
    return _reorder(replace(plan, exclusions=found))


def _reorder(plan: Plan) -> Plan:
    ends = predict_ends(Network.from_plan(plan), slots=plan.slots)
    return replace(plan, order=tuple(sorted(plan.order, key=ends.__getitem__)))


def on_radar(plan: Plan) -> Plan:
    """Return the plan without exclusions in which tasks that meet go on one behind the other."""
    return without_exclusions(replace(plan, settings=replace(plan.settings, radar=Radar.HOLD)))


PLANS: dict[str, Callable[[Plan], Plan]] = {
    "one at a time": one_after_another,
    "no exclusions": without_exclusions,
    "radar hold": on_radar,
    "file names": by_file_names,
    "foresight": lambda plan: plan,
}


def run_shop(folder: Path, name: str, *, repairs: int, seconds: float) -> Row:
    """Run the twelve tasks in a new repository."""
    prompts = make_shop(folder / "shop")
    agent = shlex.join([sys.executable, str(AGENT), str(seconds)])
    options = {"agent_command": agent, "parallel": str(SLOTS), "check": CHECK}
    request = PlanRequest(
        repository=folder / "shop",
        prompts=prompts,
        options={**options, "repairs": str(repairs)},
    )
    planned = make_plan(request)
    planned = replace(planned, plan=PLANS[name](planned.plan))
    home = RunHome(
        cache=folder / "cache",
        environment={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        look_seconds=LOOK_SECONDS if name in ("foresight", "radar hold") else NEVER,
    )
    with Guard() as guard:
        run = start_run(planned, home, progress=Silent(), guard=guard)
    return _count(run, planned, name=name, repairs=repairs)


def _count(run: RecordedRun, planned: Planned, *, name: str, repairs: int) -> Row:
    records = run.state.tasks.values()
    faults = [record.fault.kind for record in records if record.fault]
    attempts = [attempt for row in run.report.tasks for attempt in row.attempts]
    return Row(
        plan=name,
        repairs_allowed=repairs > 0,
        exclusions=len(planned.plan.exclusions),
        conflicts=faults.count(LandingFault.CONFLICT),
        broken=faults.count(LandingFault.CULPRIT),
        repairs=sum(attempt.repair is not None for one in records for attempt in one.attempts),
        yielded=sum(one.kind is NoticeKind.YIELDED for one in run.state.notices),
        landed=sum(record.state is TaskState.LANDED for record in records),
        wall_seconds=run.report.wall_seconds,
        agent_seconds=sum(
            phase.seconds for one in attempts for phase in one.phases if phase.transcript
        ),
    )


def show(rows: Sequence[Row]) -> None:
    """Print the table; seconds are ratios to the first run, which does one task at a time."""
    alone = rows[0]
    print(f"{len(PROMPTS)} tasks on {SLOTS} slots, {len(os.sched_getaffinity(0))} cores")
    print(
        "plan           repair  apart  conflicts  broken  repairs  yielded  landed   wall  agents"
    )
    for row in rows:
        wall = row.wall_seconds / alone.wall_seconds
        agents = row.agent_seconds / alone.agent_seconds
        print(
            f"{row.plan:15}{'yes' if row.repairs_allowed else 'no':6}{row.exclusions:7}"
            f"{row.conflicts:11}{row.broken:8}{row.repairs:9}{row.yielded:9}{row.landed:8}"
            f"{wall:7.2f}{agents:8.2f}"
        )
    print(f"one at a time: {alone.wall_seconds:.1f} s, of agents {alone.agent_seconds:.1f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="that each agent sleeps")
    parser.add_argument("--folder", help="where to work, such as a disk in memory")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        trial = partial(run_shop, seconds=options.seconds)
        rows = [
            trial(Path(scratch, f"{name}-{repairs}"), name, repairs=repairs)
            for name in PLANS
            for repairs in (0, MOST_REPAIRS)
        ]
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        show(rows)
    return 0 if rows[-1].landed == len(PROMPTS) else 1


if __name__ == "__main__":
    sys.exit(main())
