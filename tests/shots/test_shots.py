"""Draws what people see, for people to look at, and judges whether everyone can read it.

`make shots` writes the pictures to build/shots/.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from concertmaster.report.html import render_report
from concertmaster.report.task_material import ChangedFile, TaskMaterial
from tests import journals
from tests.action.rounds import House
from tests.github.double import Double
from tests.journals import make_plan, make_task
from tests.shots.drawing import ROOT, Shot, draw, show_on_github, show_terminal

pytestmark = pytest.mark.shots
SHOTS = ROOT / "build" / "shots"
LARGEST_PAGE = 3_000_000  # bytes, of a run of 256 tasks
FORMS = {"desktop": (1280, False), "phone": (390, False), "dark": (1280, True)}
SITE = {"": 1280, "getting-started": 390, "settings": 1280, "troubleshooting": 1280, "github": 390}
DOCUMENTS = ("README.md", "docs/getting-started.md", "docs/troubleshooting.md", "docs/settings.md")


@pytest.fixture(scope="module")
def pages() -> Path:
    """An empty folder for the pages, below that of the pictures."""
    shutil.rmtree(SHOTS, ignore_errors=True)
    (SHOTS / "pages").mkdir(parents=True)
    return SHOTS / "pages"


def add(pages: Path, name: str, text: str, **form: object) -> Shot:
    file = pages / f"{name}.html"
    file.write_text(text)
    return Shot(file=str(file), picture=str(SHOTS / f"{name}.png"), **form)  # type: ignore[arg-type]


def judge(shots: list[Shot]) -> None:
    for told in draw(shots):
        print(f"{Path(told['picture']).name}: {told['bytes']} bytes, {told['seconds']:.2f} s")
        assert told["faults"] == [], told["picture"]


def print_in_terminal(folder: Path, words: str, columns: int) -> str:
    """Return what the command prints into a terminal of so many columns."""
    command = f"stty cols {columns} rows 50; {sys.executable} -m concertmaster {words}"
    done = subprocess.run(
        ["script", "--quiet", "--return", "--command", command, "/dev/null"],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder.parent),
            "PYTHONPATH": str(ROOT / "src"),
            "COLUMNS": str(columns),
            "TERM": "xterm-256color",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.replace(str(folder), "inkwell")


def test_terminals_and_the_report_of_a_run(pages: Path, tmp_path: Path) -> None:
    place = tmp_path / "inkwell"
    printed = {80: print_in_terminal(tmp_path, f"demo --folder {place}", 80)}
    assert "concertmaster" in printed[80]
    shots = [add(pages, "demo-80", show_terminal(printed[80], columns=80), width=720)]
    for columns in (80, 120):
        for name in ("status", "report", "plan prompts/*.md --again", "--help", "doctor"):
            shown = print_in_terminal(place, name, columns)
            page = show_terminal(f"$ concertmaster {name}\n{shown}", columns=columns)
            title = f"{name.strip('-').split()[0]}-{columns}"
            shots.append(add(pages, title, page, width=columns * 9 + 24))
    (report,) = place.glob(".git/concertmaster/runs/*/report.html")
    for form, (width, dark) in FORMS.items():
        text = report.read_text()
        shots.append(add(pages, f"report-{form}", text, width=width, dark=dark, judged=True))
    judge(shots)


def test_the_report_of_a_large_run_is_small_and_open_to_everyone(pages: Path) -> None:
    names = [f"task{number:04}-1a2b" for number in range(256)]
    tasks = [make_task(name, title=f"Do {name}", paths=[f"src/{name}.py"]) for name in names]
    ends = (event for name in names for event in journals.succeed(name, at=2))
    events = (*journals.begin(), *ends, journals.land(*names, at=9))
    report = journals.tell_story(make_plan(tasks=tasks), events)[1]
    files = (ChangedFile(path="src/module.py", added=10, removed=2),)
    material = TaskMaterial(prompt="# Do it\n", changed=files, diff="-old\n+new\n" * 40)
    html = render_report(report, dict.fromkeys(names, material))

    assert len(html.encode()) < LARGEST_PAGE
    judge([add(pages, "report-256-tasks", html, width=1280, whole=False, judged=True)])


@pytest.fixture
def double(tmp_path: Path) -> Iterator[Double]:
    with Double(tmp_path / "hosting") as running:
        yield running


def test_what_a_run_writes_on_github(double: Double, pages: Path, tmp_path: Path) -> None:
    prompts = {
        "apple": "# Write apple\n\nwrite apple.txt apple\n",
        "pear": "# Write pear\n\nwrite pear.txt pear\n",
        "plum": "---\nneeds: [fig.md]\n---\n# Write plum\n\nwrite plum.txt plum\n",
        "fig": "# Write fig\n\nfail x x\n",
        "guide": "# Steer agents\n\nwrite CLAUDE.md words\n",
    }
    house = House.build(double, tmp_path, prompts)
    held = house.ask(house.open_issue(*prompts)).hold()
    texts = {"step-summary": (held.workflow.folder / "summary.md").read_text()}
    for number, issue in house.repository.issues.items():
        kind = "pull" if issue.pull else "issue"
        said = [issue.body or "", *(comment.body for comment in issue.comments)]
        texts[f"{kind}-{number}"] = f"**{issue.title}**\n\n" + "\n\n---\n\n".join(said)
    memory = house.read(".github/Memory.md")
    assert memory
    texts["memory"] = memory
    judge(
        [
            add(pages, f"github-{name}", show_on_github(name, text), width=900, github=True)
            for name, text in texts.items()
        ]
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_site_can_be_read_by_everyone(pages: Path, dark: bool) -> None:
    shade = "dark" if dark else "light"
    shots = [
        Shot(
            file=str(ROOT / "build" / "site" / page / "index.html"),
            picture=str(SHOTS / f"site-{page or 'start'}-{shade}.png"),
            width=width,
            dark=dark,
            whole=False,
            judged=True,
        )
        for page, width in SITE.items()
    ]
    judge(shots)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_documents_can_be_read_by_everyone(pages: Path, path: str) -> None:
    name = Path(path).stem
    page = show_on_github(name, (ROOT / path).read_text())
    judge([add(pages, f"document-{name}", page, width=900, github=True, judged=True)])
