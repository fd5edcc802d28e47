"""Tests that jobs with a token that can write run nothing of the repository, results or machine.

Everything that could be run would leave a marker. Plan and finalize run here as programs in a
checkout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.action.rounds import AGENT, PERMISSIONS, SETTINGS, House, Round
from tests.action.test_action import variables
from tests.github.double import Double

PROGRAM = Path(sys.executable).parent / "concertmaster"
HOOKS = (
    *("applypatch-msg", "pre-applypatch", "post-applypatch", "pre-commit", "pre-merge-commit"),
    *("prepare-commit-msg", "commit-msg", "post-commit", "pre-rebase", "post-checkout"),
    *("post-merge", "pre-push", "pre-receive", "update", "proc-receive", "post-receive"),
    *("post-update", "reference-transaction", "push-to-checkout", "pre-auto-gc", "post-rewrite"),
    *("post-index-change", "fsmonitor-watchman"),
)
# Python, our libraries or git's helpers would import these if they searched a foreign folder.
MODULES = (
    *("sitecustomize", "usercustomize", "conftest", "setup", "noxfile", "json", "git", "yaml"),
    *("github", "pydantic", "rich", "typer", "tenacity", "concertmaster/__init__", "_pytest"),
)
# Each of these settings makes git start the program `TRAP`.
GIT_CONFIG = """\
[core]
	hooksPath = HOOKS
	fsmonitor = TRAP
	sshCommand = TRAP
	gitProxy = TRAP
	editor = TRAP
	pager = TRAP
	askPass = TRAP
	alternateRefsCommand = TRAP
	attributesFile = ATTRIBUTES
[filter "evil"]
	clean = TRAP
	smudge = TRAP
	process = TRAP
	required = true
[diff]
	external = TRAP
[diff "evil"]
	command = TRAP
	textconv = TRAP
[merge "evil"]
	driver = TRAP %O %A %B
[credential]
	helper = !TRAP
[gpg]
	program = TRAP
[commit]
	gpgSign = true
[tag]
	gpgSign = true
[push]
	gpgSign = if-asked
[log]
	showSignature = true
[merge]
	verifySignatures = true
[sequence]
	editor = TRAP
[uploadpack]
	packObjectsHook = TRAP
[interactive]
	diffFilter = TRAP
[trailer "evil"]
	key = Concertmaster-Run
	cmd = TRAP
[init]
	templateDir = TEMPLATE
[maintenance]
	auto = true
[alias]
	clone = !TRAP
	evil = !TRAP
"""
ATTRIBUTES = "* filter=evil diff=evil merge=evil\n"
# A run stops where the base names a filter that is not set up, so the base names none.
ATTRIBUTES_OF_THE_BASE = "* diff=evil merge=evil\n"


@dataclass(frozen=True)
class Trap:
    """A program that leaves a marker, with the files and settings that would start it."""

    folder: Path

    @property
    def program(self) -> Path:
        return self.folder / "trap"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    def set_up(self) -> None:
        """Write the machine's configuration."""
        for folder in (self.folder / "markers", self.home, self.folder / "template"):
            folder.mkdir(parents=True)
        self.program.write_text(f"#!/bin/sh\n{self.mark('$0')}\nexit 1\n")
        self.program.chmod(0o755)
        (self.folder / "attributes").write_text(ATTRIBUTES)
        (self.home / ".gitconfig").write_text(self.git_config)
        self._hook(self.folder / "hooks")
        self._hook(self.folder / "template" / "hooks")
        for name in (".bashrc", ".bash_profile", ".profile", ".zshenv"):
            (self.home / name).write_text(f"{self.mark(name)}\n")

    def mark(self, name: str) -> str:
        """Return the shell command that leaves a marker."""
        return f"echo {name} >> {self.folder}/markers/by-shell"

    @property
    def git_config(self) -> str:
        places = {"TRAP": self.program, "HOOKS": self.folder / "hooks"}
        places |= {"ATTRIBUTES": self.folder / "attributes", "TEMPLATE": self.folder / "template"}
        text = GIT_CONFIG
        for word, path in places.items():
            text = text.replace(f"{word}\n", f"{path}\n").replace(f"{word} ", f"{path} ")
        return text

    def _hook(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in HOOKS:
            (folder / name).write_bytes(self.program.read_bytes())
            (folder / name).chmod(0o755)

    def files(self) -> dict[str, str]:
        """Return the files for the repository's tree."""
        shell, trap = f"{self.mark('tree')}\n", str(self.program)
        python = f"open({str(self.folder / 'markers' / 'by-python')!r}, 'a').write(__name__)\n"
        claude = {"hooks": {"SessionStart": [{"hooks": [{"type": "command", "command": trap}]}]}}
        scripts = dict.fromkeys(("preinstall", "prepare", "postinstall", "test"), trap)
        return {
            **{f"{name}.py": python for name in MODULES},
            **{f".githooks/{name}": f"#!/bin/sh\n{shell}" for name in HOOKS},
            **{f".husky/{name}": f"#!/bin/sh\n{shell}" for name in HOOKS},
            ".gitattributes": ATTRIBUTES_OF_THE_BASE,
            ".gitconfig": self.git_config,
            "config": self.git_config,  # the tree looks like a git folder
            "HEAD": "ref: refs/heads/main\n",
            ".lfsconfig": f"[lfs]\n\turl = ext::{trap}\n",
            ".envrc": shell,
            ".env": f"PYTHONSTARTUP=conftest.py\nBASH_ENV=.envrc\nGIT_SSH_COMMAND={trap}\n",
            ".python-version": "3.0\n",
            "evil.pth": f"import os; {python}",
            "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "setup"\n'
            'backend-path = ["."]\n[tool.pytest.ini_options]\naddopts = "-p conftest"\n',
            "tox.ini": f"[testenv]\ncommands = {trap}\n",
            ".claude/settings.json": json.dumps(claude),
            ".gemini/settings.json": json.dumps({"mcpServers": {"x": {"command": trap}}}),
            ".mcp.json": json.dumps({"mcpServers": {"x": {"command": trap}}}),
            ".codex/config.toml": f'notify = ["{trap}"]\n',
            ".aider.conf.yml": f"test-cmd: {trap}\nauto-test: true\n",
            "package.json": json.dumps({"name": "x", "scripts": scripts}),
            ".npmrc": f"script-shell={trap}\n",
            "bunfig.toml": 'preload = ["./setup.py"]\n',
            ".pre-commit-config.yaml": "repos:\n- repo: local\n  hooks:\n  - {id: x, name: x, "
            f"language: system, entry: {trap}}}\n",
            "Makefile": f"all:\n\t{trap}\n.DEFAULT:\n\t{trap}\n",
            ".vscode/tasks.json": json.dumps({"tasks": [{"command": trap, "runOn": "folderOpen"}]}),
            "git": f"#!/bin/sh\n{shell}",
            "gpg": f"#!/bin/sh\n{shell}",
            "sh": f"#!/bin/sh\n{shell}",
        }

    def check_out(self, source: Path) -> None:
        """Clone the repository as a step before ours does, then change the clone's settings."""
        where = [str(source), str(self.checkout)]
        subprocess.run(["git", "clone", "--quiet", *where], check=True)
        git = self.checkout / ".git"
        with (git / "config").open("a") as config:
            config.write(self.git_config)
        self._hook(git / "hooks")
        (git / "info" / "attributes").write_text(ATTRIBUTES)
        for name in ("git", "gpg", "sh", "config"):
            (self.checkout / name).chmod(0o755)

    @property
    def sprung(self) -> list[str]:
        """The markers of all that has been started."""
        found = sorted((self.folder / "markers").iterdir())
        return [f"{one.name}: {one.read_text()}" for one in found]

    def forget(self) -> None:
        for marker in (self.folder / "markers").iterdir():
            marker.unlink()

    def run(self, job: str, held: Round, **inputs: str) -> None:
        """Start the job in the checkout as the runner does, with the machine's home."""
        workflow = held.workflow
        token = workflow.double.workflow_token(workflow.repository, PERMISSIONS[job])
        inner = {name: str(value) for name, value in held.inputs.items() if name.isupper()}
        given = variables(replace(workflow, token=token), **inputs)
        self.start([str(PROGRAM), "action", job], {**given, **inner, "CI": "true"})

    def start(self, command: list[str], variables: Mapping[str, str]) -> None:
        done = subprocess.run(
            command,
            cwd=self.checkout,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    made = Trap(tmp_path / "trap")
    made.set_up()
    return made


@pytest.fixture
def house(double: Double, tmp_path: Path, trap: Trap) -> House:
    prompts = {
        "apple": "# Write apple\n\nwrite evil.py import os\nappend shared.txt apple\n",
        "plum": "# Write plum\n\nwrite .gitattributes * merge=evil filter=evil\n",
        "fail": "# Fail\n\nwrite left.py import os\nfail\n",
    }
    files = {**trap.files(), "shared.txt": "start\n", "agent.sh": AGENT}
    # Else the plan would stop, because the filter could decrypt files for agents.
    settings = f"{SETTINGS}filters: allow\n"
    house = House.build(double, tmp_path, prompts, settings=settings, files=files)
    sign(house)
    trap.check_out(house.repository.folder)
    return house


def sign(house: House) -> None:
    """Give the newest commit a signature, which git checks by a program that its settings name."""
    bare, tip = house.double.git(house.repository), house.tip()
    head, _, message = bare.run("cat-file", "commit", tip).decode().partition("\n\n")
    tree, people = head.split("\n")[0], [line for line in head.split("\n") if " <" in line]
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abcd\n -----END PGP SIGNATURE-----"
    data = "\n".join([tree, f"parent {tip}", *people, signature, "", message]).encode()
    commit = bare.text("hash-object", "-w", "-t", "commit", "--stdin", stdin=data).strip()
    bare.update({"refs/heads/main": (commit, tip)})


@pytest.mark.parametrize(
    "command",
    [
        ["git", "status"],
        ["git", "log", "-1"],
        ["git", "diff", "HEAD~1"],
        ["git", "checkout", "-f", "HEAD"],
        ["git", "-c", "core.fsmonitor=false", "add", "a.txt"],
        ["git", "fetch", "origin"],
        [sys.executable, "-m", "json"],
        ["make"],
    ],
    ids=" ".join,
)
def test_who_runs_anything_there_springs_the_trap(
    house: House, trap: Trap, command: list[str]
) -> None:
    """The tests below show something only if this one passes."""
    (trap.checkout / "a.txt").write_text("a\n")
    environment = {"PATH": os.environ["PATH"], "HOME": str(trap.home)}
    subprocess.run(command, cwd=trap.checkout, env=environment, capture_output=True, check=False)

    assert trap.sprung


@pytest.mark.matrix
def test_plan_and_finalize_execute_nothing_of_the_repository(house: House, trap: Trap) -> None:
    held = house.ask(house.open_issue("apple", "fail"))

    trap.run("plan", held)
    assert trap.sprung == []

    held.work()
    held.verify()
    digests = {key: held.outputs[key] for key in ("plan_sha256", "verdict_sha256")}
    trap.forget()  # work and verify may run anything, because they have no token that can write

    trap.run("finalize", held, **digests)
    assert trap.sprung == []
    assert house.read("evil.py") == "import os\n"
    assert len(json.loads(held.outputs["landed"])) == 1


@pytest.mark.matrix
def test_nor_does_a_further_round(house: House, trap: Trap) -> None:
    held = house.ask(house.open_issue("apple", "plum", "fail")).hold()
    again = house.ask(house.repository.issues[1], "/orchestrate retry")
    trap.forget()

    trap.run("plan", again)
    again.work()
    again.verify()
    digests = {key: again.outputs[key] for key in ("plan_sha256", "verdict_sha256")}
    trap.forget()
    trap.run("finalize", again, **digests)

    assert trap.sprung == []
    assert again.outputs["run"] == held.outputs["run"]
    assert house.read(".gitattributes") == ATTRIBUTES_OF_THE_BASE
