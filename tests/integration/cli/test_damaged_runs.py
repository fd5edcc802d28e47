"""A run whose files are damaged hides no other run, and can be repaired."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commandline import concertmaster, fit_schema
from tests.conftest import Project, in_matrix
from tests.integration.cli.test_commands import AGENT, Shop


@pytest.fixture
def shop(project: Project, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("CONCERTMASTER_WORKTREES", str(project.root.parent))
    return Shop(project)


def flip(path: Path, line: int) -> None:
    """Change one character in a line, counted from 0, of a file."""
    lines = path.read_bytes().split(b"\n")
    middle = len(lines[line]) // 2
    lines[line] = lines[line][:middle] + b"~" + lines[line][middle + 1 :]
    path.write_bytes(b"\n".join(lines))


def later_version(folder: Path) -> None:
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps({**plan, "version": 99}))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a journal line": lambda folder: flip(folder / "journal.jsonl", 2),
    "the plan": lambda folder: (folder / "plan.json").write_text("{"),
    "a later version": later_version,
    "no JSON": lambda folder: (folder / "journal.jsonl").write_text("[]\nnull\n"),
}


@pytest.mark.matrix
def test_a_bad_run_hides_no_other_and_is_never_cleaned_away(shop: Shop) -> None:
    for _ in DAMAGES:
        assert shop.call("run", shop.prompts[0], *AGENT).code in (0, 1)
    good = shop.call("run", shop.task("three", "echo 3 > three.txt"), *AGENT)
    assert good.code == 0, good
    *bad, last = shop.folders
    for folder, damage in zip(bad, DAMAGES.values(), strict=True):
        damage(folder)

    told = shop.call("status")
    assert told.code == 0, told.err
    assert last.name in told.out
    for folder in bad:
        assert f"concertmaster repair {folder.name}" in told.out
    assert len(shop.call("status", "--json").document) == len(shop.folders)
    cleaned = shop.call("clean")
    assert cleaned.code == 0, cleaned.err
    assert f"removed run {last.name}" in cleaned.out
    assert shop.folders == bad


@pytest.mark.parametrize("line", [3, *in_matrix([0, -3])])
def test_a_damaged_journal_is_repaired_and_the_run_goes_on(shop: Shop, line: int) -> None:
    assert shop.call("run", *shop.prompts, *AGENT).code == 0
    (folder,) = shop.folders
    landed = shop.project.git("rev-parse", "main")
    flip(folder / "journal.jsonl", line)
    assert "checksum" in shop.call("resume").err or line == 0
    told = shop.call("repair", folder.name)
    assert told.code == 0, told.err
    assert "lost: 1 damaged line of the journal" in told.out
    assert (folder / "journal.jsonl.damaged-1").exists()
    went_on = shop.call("resume", folder.name)
    assert went_on.code == 0, went_on
    assert shop.project.git("rev-parse", "main") == landed  # nothing was done twice
    assert "nothing to mend" in shop.call("repair", folder.name).out
    fit_schema("repair", shop.call("repair", folder.name, "--json").document)


def test_a_lost_plan_comes_back_from_its_reference(shop: Shop) -> None:
    assert shop.call("run", *shop.prompts, *AGENT).code == 0
    (folder,) = shop.folders
    before = (folder / "plan.json").read_bytes()
    (folder / "plan.json").unlink()
    for prompt in (folder / "prompts").iterdir():
        prompt.write_text("damaged")
    told = shop.call("repair", folder.name)
    assert told.code == 0, told.err
    assert "mended: the plan, from its copy" in told.out
    assert (folder / "plan.json").read_bytes() == before
    assert all(one.read_text() != "damaged" for one in (folder / "prompts").iterdir())
    assert "removed run" in shop.call("clean").out
    assert shop.project.git("for-each-ref", "refs/concertmaster") == ""


def test_what_cannot_be_repaired_is_told(shop: Shop) -> None:
    assert shop.call("run", shop.prompts[0], *AGENT).code == 0
    (folder,) = shop.folders
    later_version(folder)
    shop.project.git("update-ref", "-d", f"refs/concertmaster/{folder.name}/plan")
    told = shop.call("repair", folder.name)
    assert (told.code, "no copy of it was kept" in told.err) == (2, True)
    for name in ("nothing", "..", "a/b"):
        assert shop.call("repair", name).code == 2


@pytest.mark.parametrize("mode", ["pull-requests", "single-pull-request"])
def test_pull_requests_on_one_machine_are_branches_and_it_says_so(
    project: Project, mode: str
) -> None:
    project.commit("Settings", {"concertmaster.yml": f"check: 'true'\nlanding: {mode}\n"})
    shop = Shop.__new__(Shop)
    shop.project = project
    prompt = shop.task("one", "echo 1 > one.txt")
    told = concertmaster(*("run", prompt, *AGENT), cwd=project.root)
    assert told.code == 0, told
    assert f"landing: {mode} opens pull requests on GitHub only" in told.out
    (branch,) = shop.branches
    assert project.git("show", f"{branch}:one.txt") == "1"
    assert branch in told.out
