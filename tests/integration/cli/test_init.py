"""`concertmaster init` writes the missing files and changes no others."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from concertmaster.cli.init import PLACES
from concertmaster.settings.action_source import CALLED, EXAMPLE_SOURCE
from concertmaster.settings.file import write_settings
from concertmaster.settings.sources import load_settings
from tests.commandline import Done, concertmaster, fingerprint
from tests.conftest import Project

ROOT = Path(__file__).parents[3]
ACTION = ("--action", f"{EXAMPLE_SOURCE.repository}@{EXAMPLE_SOURCE.ref}")
NPM = {
    "package.json": json.dumps({"scripts": {"test": "vitest run"}}),
    "package-lock.json": "{}",
    ".gitignore": "node_modules/\n",
}


def init(project: Project, *arguments: str) -> Done:
    return concertmaster("init", *arguments, cwd=project.root)


def read(project: Project) -> tuple[str, str]:
    """Return setup and check as a run would read them."""
    path = project.root / "concertmaster.yml"
    found = load_settings({}, file=path.read_bytes(), name=path.name)
    return found.setup, found.check


def new_files(project: Project) -> list[str]:
    return project.git("status", "--porcelain", "--untracked-files=all").replace("?? ", "").split()


@pytest.mark.parametrize(
    ("files", "commands"),
    [
        (
            {"pyproject.toml": "[tool.pytest.ini_options]\n", "uv.lock": ""},
            ("uv sync", "uv run python -m pytest -q"),
        ),
        (NPM, ("npm ci", "npm test")),
        ({"Cargo.toml": "", "Cargo.lock": ""}, ("cargo fetch", "cargo test")),
        ({"go.mod": "module shop\n"}, ("", "go test ./...")),
    ],
    ids=["uv", "npm", "cargo", "go"],
)
def test_the_settings_hold_what_was_found_and_why(
    project: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, str],
    commands: tuple[str, str],
) -> None:
    uv = tmp_path / "programs" / "uv"
    uv.parent.mkdir()
    uv.write_text("#!/bin/sh\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{uv.parent}{os.pathsep}{os.environ['PATH']}")
    head = project.commit("Tools", files)
    told = init(project)
    assert told.code == 0, told
    assert read(project) == commands
    text = (project.root / "concertmaster.yml").read_text()
    assert text.count("# found: ") == sum(map(bool, commands))
    assert all(line in told.out for line in text.splitlines())
    assert new_files(project) == ["concertmaster.yml"]
    assert project.git("rev-parse", "HEAD") == head
    assert project.git("diff", "--cached", "--name-only") == ""


def test_a_run_goes_by_the_settings_once_they_are_committed(project: Project) -> None:
    assert init(project, "--check", "test -e a.txt").code == 0
    project.commit("Settings", {"prompts/one.md": "# One\n\nDo it.\n"})
    plan = concertmaster("plan", "prompts/one.md", "--json", cwd=project.root).document
    assert plan["settings"]["check"] == "test -e a.txt"


def test_what_is_given_comes_before_what_is_found(project: Project) -> None:
    project.commit("Tools", NPM)
    check = "npm run 'a: b' && echo \"#\" $HOME"
    assert init(project, "--check", check, "--setup", "").code == 0
    assert read(project) == ("", check)
    assert (project.root / "concertmaster.yml").read_text().startswith("setup: ''\n")


@pytest.mark.parametrize("text", ["true", "on", "1", "a\nb\n", "ö: ✔", "'", "- x", "\udcff", " "])
def test_settings_are_read_back_as_they_were_written(text: str) -> None:
    data = write_settings({"setup": text, "check": text}, reasons={"check": "a reason"})
    found = load_settings({}, file=data, name="concertmaster.yml")
    assert (found.setup, found.check) == (text, text)


def test_where_no_check_is_found_it_is_asked_for_and_nothing_written(project: Project) -> None:
    before = fingerprint(project.root)
    told = init(project, "--github", *ACTION)
    assert told.code == 2
    assert "which command must pass before a result may land?" in told.err
    assert "--check 'pytest -q'" in told.err
    assert fingerprint(project.root) == before


def test_for_github_the_workflow_and_the_form_are_our_examples(project: Project) -> None:
    told = init(project, "--github", *ACTION, "--check", "make test")
    assert told.code == 0, told
    for example, place in PLACES.items():
        data = (ROOT / "examples" / example).read_bytes()
        assert (project.root / place).read_bytes() == data
        assert f"to {place}" in data.decode()
        assert f"wrote {place}" in told.out
    assert set(new_files(project)) == {"concertmaster.yml", *PLACES.values()}
    assert "gh secret set ANTHROPIC_API_KEY" in told.out
    command = next(line for line in told.out.splitlines() if "git commit" in line)
    project.git("-c", f"alias.x=!{command.replace(' && git push', '')} #", "x")
    assert project.git("status", "--porcelain") == ""


def test_the_workflow_names_the_action_that_was_asked_for_and_no_other(project: Project) -> None:
    told = init(project, "--github", "--action", "someone/else@v9", "--check", "make test")
    assert told.code == 0, told
    texts = [(project.root / name).read_text() for name in new_files(project)]
    assert "uses: someone/else/.github/workflows/orchestrate.yml@v9" in "".join(texts)
    assert "uses: someone/else/.github/workflows/control.yml@v9" in "".join(texts)
    assert not [text for text in texts if EXAMPLE_SOURCE.repository.partition("/")[0] in text]


def test_the_compatible_files_pass_the_linters_and_need_no_other_repository(
    project: Project,
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    told = init(project, "--compat", "--action", f"someone/else@{commit}", "--check", "make test")
    assert told.code == 0, told
    workflows = [name for name in new_files(project) if name.startswith(".github/workflows/")]
    assert {*workflows} == {PLACES["minimal.yml"], *CALLED.values()}
    text = "".join((project.root / name).read_text() for name in workflows)
    ours = {*re.findall(r"uses: (\./\S+|someone/\S+)", text)}
    assert ours == {
        *(f"./{place}" for place in CALLED.values()),
        *(f"someone/else/{folder}@{commit}" for folder in ("trusted", "agents")),
    }
    programs = Path(sys.executable).parent
    # The linters ask for the two newest keys, which this form is without.
    config = project.root.parent / "zizmor.yml"
    config.write_text("rules: {self-repository: {disable: true}}")
    without_key = ("-ignore", "has no explicit cache access limit")
    for linter in (
        (programs / "actionlint", "-shellcheck=", "-pyflakes=", *without_key),
        (programs / "zizmor", "--offline", "--no-progress", "--quiet", f"--config={config}"),
    ):
        done = subprocess.run(
            [*linter, *workflows], cwd=project.root, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_without_a_source_of_the_action_no_workflow_is_written(project: Project) -> None:
    before = fingerprint(project.root)
    told = init(project, "--github", "--check", "x")
    assert told.code == 2
    assert "--action OWNER/NAME@REF" in told.err
    assert fingerprint(project.root) == before


def test_what_is_there_stays_as_it_is(project: Project) -> None:
    (workflow, _) = PLACES.values()
    mine = {"concertmaster.yml": "check: mine\n", workflow: "name: Mine\n"}
    project.write(mine)
    told = init(project, "--github", *ACTION, "--check", "other")
    assert told.code == 0, told
    assert {name: (project.root / name).read_text() for name in mine} == mine
    assert all(f"left {name} as it is" in told.out for name in mine)
    before = fingerprint(project.root)
    again = init(project, "--github", *ACTION, "--json").document
    assert again["written"] == []
    assert set(again["left"]) == {"concertmaster.yml", *PLACES.values()}
    assert fingerprint(project.root) == before


def test_settings_below_github_are_settings_as_well(project: Project) -> None:
    project.write({".github/concertmaster.yml": "check: mine\n"})
    told = init(project)
    assert "left .github/concertmaster.yml as it is" in told.out
    assert not (project.root / "concertmaster.yml").exists()


def test_a_link_that_leads_nowhere_is_there_as_well(project: Project) -> None:
    (project.root / "concertmaster.yml").symlink_to("gone.yml")
    assert "left concertmaster.yml as it is" in init(project, "--check", "x").out
    assert not (project.root / "gone.yml").exists()


def test_nothing_is_written_through_a_link_out_of_the_repository(project: Project) -> None:
    outside = project.root.parent / "outside"
    outside.mkdir()
    (project.root / ".github").symlink_to(outside)
    told = init(project, "--github", *ACTION, "--check", "x")
    assert told.code == 2
    assert "outside of the repository" in told.err
    assert not list(outside.iterdir())
    assert not (project.root / "concertmaster.yml").exists()


def test_where_one_file_cannot_be_written_none_is(project: Project) -> None:
    project.write({".github/ISSUE_TEMPLATE": "a file\n"})
    before = fingerprint(project.root)
    told = init(project, "--github", *ACTION, "--check", "x")
    assert told.code == 3
    assert "mend this, and begin again; nothing was written" in told.err
    assert fingerprint(project.root) == before


def test_from_a_folder_of_the_repository_the_files_go_to_its_root(project: Project) -> None:
    told = concertmaster("init", "--check", "x", cwd=project.root / "folder")
    assert told.code == 0, told
    assert new_files(project) == ["concertmaster.yml"]


def test_outside_of_a_repository_nothing_is_written(project: Project, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert concertmaster("init", "--check", "x", cwd=empty).code == 3
    bare = tmp_path / "bare.git"
    project.git("clone", "--quiet", "--bare", ".", str(bare))
    before = fingerprint(bare)
    told = concertmaster("init", "--check", "x", cwd=bare)
    assert (told.code, "bare repository" in told.err) == (2, True)
    assert fingerprint(bare) == before
    assert not list(empty.iterdir())


def test_the_package_holds_the_examples_that_are_written() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    included = wheel["targets"]["wheel"]["force-include"]
    image = (ROOT / ".dockerignore").read_text().splitlines()
    for name in PLACES:
        assert included[f"examples/{name}"] == f"concertmaster/examples/{name}"
        assert f"!/examples/{name}" in image
    for name in CALLED:
        assert included[f".github/workflows/{name}"] == f"concertmaster/workflows/{name}"
        assert f"!/.github/workflows/{name}" in image
