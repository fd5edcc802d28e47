"""Writes the files that a repository needs for Concertmaster.

They are the settings, and for GitHub the workflow and a form for issues.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from concertmaster.cli.finish import try_checkout
from concertmaster.cli.options import (
    given_settings,
    json_option,
    repo_option,
    setting_option,
    try_option,
)
from concertmaster.engine.trial import Trial
from concertmaster.errors import UsageError
from concertmaster.files.add_files import add_files
from concertmaster.git.repository import Repository
from concertmaster.planning.checkout import Checkout, PlanRequest
from concertmaster.planning.first_prompt import TODO, FirstPrompt, draft_first_prompt
from concertmaster.planning.run_settings import fill_commands, freeze_settings
from concertmaster.report.next_steps import NextStep
from concertmaster.sandbox.supervisor import Guard
from concertmaster.settings.action_source import (
    CALLED,
    ActionSource,
    find_action_source,
    make_compatible,
)
from concertmaster.settings.declarations import FILE_NAMES, Settings
from concertmaster.terminal.console import Console
from concertmaster.text.display import count

# Path in a repository, by the name of the example.
PLACES: Mapping[str, str] = {
    "minimal.yml": ".github/workflows/orchestrate.yml",
    "parent-issue.yml": ".github/ISSUE_TEMPLATE/orchestrate.yml",
}
CHECKOUT = Path(__file__).parents[3]
# Folder of an installed package, by that of a checkout.
INSTALLED: Mapping[str, str] = {"examples": "examples", ".github/workflows": "workflows"}
SECRETS = "Settings → Secrets and variables → Actions"
TICK = "Settings → Actions → General → Workflow permissions"


@dataclass(frozen=True, slots=True, kw_only=True)
class InitFiles:
    """The files that `init` would write, and those that exist and stay as they are.

    `missing` is content by path below `root`.
    """

    root: Path
    missing: Mapping[str, bytes]
    there: tuple[str, ...]
    has_workflow: bool
    trial: Trial | None = None

    def sentences(self) -> Iterator[str]:
        """Yield lines that say what was written and what to do next.

        Settings and prompt are shown in full, because their content was made for this repository.
        """
        for path, data in self.missing.items():
            if path.startswith(".github/"):
                yield f"wrote {path} ({count(len(data.splitlines()), 'line')})"
            else:
                yield f"wrote {path}:"
                yield from (f"    + {line}".rstrip() for line in data.decode().splitlines())
        yield from (f"left {path} as it is: it is there already" for path in self.there)
        if self.trial:
            yield f"{'ok' if self.trial.has_passed else 'no'}  {self.trial.sentence()}"
        for step in self.next_steps():
            yield f"next: {step.text}"
            yield from [f"      {step.command}"] if step.command else []

    def document(self) -> dict[str, object]:
        """Return the same as a JSON document."""
        steps = [{"text": step.text, "command": step.command} for step in self.next_steps()]
        found: dict[str, object] = {"written": [*self.missing], "left": [*self.there]}
        if self.trial:
            found["trial"] = {"passed": self.trial.has_passed, "reason": self.trial.reason}
        return {**found, "next_steps": steps}

    def next_steps(self) -> Iterator[NextStep]:
        """Yield the steps that remain for the user."""
        if self.trial and not self.trial.has_passed:
            yield NextStep(text=f"mend `setup` and `check` in {FILE_NAMES[0]}")
        if self.missing:
            paths = shlex.join(self.missing)
            push = " && git push" if self.has_workflow else ""
            yield NextStep(
                text="read, then commit" + (" to the default branch and push" if push else ""),
                command=f"git add {paths} && git commit -m Concertmaster -- {paths}{push}",
            )
        if not self.has_workflow:
            yield NextStep(text="is this machine fit?", command="concertmaster doctor")
            prompts = [path for path in self.missing if path.endswith(".md")]
            command = f"concertmaster plan {shlex.join(prompts) or 'prompts/*.md'}"
            yield NextStep(text="what would run?", command=command)
            if not prompts:
                text = "no prompt yet? write one"
                yield NextStep(text=text, command="concertmaster new 'Add a login'")
            return
        yield NextStep(
            text=f"the key of your agent, as a secret ({SECRETS})",
            command="gh secret set ANTHROPIC_API_KEY",
        )
        yield NextStep(text=f"tick: Allow GitHub Actions to create pull requests ({TICK})")
        yield NextStep(text="comment /orchestrate on an issue that lists prompt files")


def plan_init_files(
    asked: PlanRequest, *, action: ActionSource | None, compatible: bool = False
) -> InitFiles:
    """Return the files that would be written; change nothing.

    With `action` they are those for GitHub as well, with `compatible` for older servers.

    Raises UsageError, also if no check is given and none is found.
    """
    repository = Repository.open(asked.repository)
    root = repository.root
    if root == repository.git_dir:
        raise UsageError(
            f"{root} is a bare repository",
            why="it has no files beside which others could lie",
            next_step="do this in a clone of it",
        )
    settings = next((name for name in FILE_NAMES if os.path.lexists(root / name)), "")
    wanted = {} if settings else {FILE_NAMES[0]: _settings_file(asked, repository)}
    if not settings and (prompt := _draft_prompt(repository)):
        wanted[prompt.path] = prompt.text.encode()
    if action:
        wanted |= dict(_files_for_github(action, compatible=compatible))
    for path in wanted:
        _check_place(root, path)
    there = [path for path in wanted if os.path.lexists(root / path)]
    return InitFiles(
        root=root,
        missing={path: data for path, data in wanted.items() if path not in there},
        there=(*([settings] if settings else []), *there),
        has_workflow=action is not None,
    )


def write_init_files(init_files: InitFiles) -> None:
    """Write the missing files, all or none. Existing files are never overwritten."""
    if init_files.missing:
        add_files(init_files.root, init_files.missing, way_out="mend this, and begin again")


def _settings_file(asked: PlanRequest, repository: Repository) -> bytes:
    """Return concertmaster.yml with setup and check as given, or as found at HEAD.

    A command that was found has its reason beside it.
    """
    # Slow to load, and most commands do without.
    from concertmaster.settings.file import write_settings  # noqa: PLC0415
    from concertmaster.settings.sources import load_settings  # noqa: PLC0415

    given = load_settings(asked.options)
    filled = fill_commands(_checkout(repository, given))
    freeze_settings(filled, requester="")
    found = filled.settings
    reasons = {key: f"found: {reason}" for key, reason in filled.reasons.items()}
    keys = ["setup"] if found.setup or "setup" in given.given else []
    values = {key: str(getattr(found, key)) for key in (*keys, "check")}
    return write_settings(values, reasons=reasons)


def _draft_prompt(repository: Repository) -> FirstPrompt | None:
    """Return a first prompt for a repository that has none, if something calls for one."""
    if any((repository.root / "prompts").glob("*.md")):
        return None
    base = repository.resolve("HEAD")
    answer = repository.git.ask("grep", "-n", "-I", "-E", TODO, base)
    lines = answer.out.decode(errors="replace").splitlines() if answer.code == 0 else []
    todos = [line.removeprefix(f"{base}:") for line in lines]
    return draft_first_prompt(repository.paths(base), todos)


def _checkout(repository: Repository, settings: Settings) -> Checkout:
    base = repository.resolve("HEAD")
    paths = repository.paths(base)
    return Checkout(repository=repository, target="", commit=base, paths=paths, settings=settings)


def try_init(asked: PlanRequest) -> Trial:
    """Return what came of the setup and the check that `init` would write."""
    from concertmaster.settings.sources import load_settings  # noqa: PLC0415  slow to load

    checkout = _checkout(Repository.open(asked.repository), load_settings(asked.options))
    with Guard() as guard:
        return try_checkout(checkout, guard)


def _files_for_github(action: ActionSource, *, compatible: bool) -> Iterator[tuple[str, bytes]]:
    """Yield path and content; the called workflows lie beside the others if it is `compatible`."""
    for name, place in PLACES.items():
        text = _read_ours("examples", name)
        yield place, action.fill(make_compatible(text) if compatible else text).encode()
    for name, place in CALLED.items() if compatible else ():
        text = make_compatible(_read_ours(".github/workflows", name))
        yield place, action.fill(text).encode()


def _read_ours(folder: str, name: str) -> str:
    """Return a file of the installed package, or of the checkout that it runs from."""
    installed = Path(str(files("concertmaster"))) / INSTALLED[folder]
    return ((installed if installed.is_dir() else CHECKOUT / folder) / name).read_text("utf-8")


def _check_place(root: Path, path: str) -> None:
    """Raise UsageError if a symbolic link leads the path out of the repository."""
    if not (root / path).parent.resolve().is_relative_to(root.resolve()):
        raise UsageError(
            f"{path} lies outside of the repository",
            why="a folder of it is a symbolic link",
            next_step="make it a folder; nothing was written",
        )


@click.command()
@repo_option
@setting_option("setup", help="Makes a fresh worktree usable (default: found).")
@setting_option("check", help="What must pass before anything lands.")
@click.option("--github", is_flag=True, help="Also the workflow, and a form for issues.")
@click.option("--action", metavar="OWNER/NAME@REF", default="", help="What the workflow uses.")
@click.option("--compat", is_flag=True, help="For a server that refuses the newest keys.")
@try_option
@json_option
@click.pass_obj
def init(console: Console, /, repo: Path, github: bool, json: bool, **given: Any) -> int:
    """Write concertmaster.yml with the commands that are found.

    They are tried once in a fresh worktree, and what they lack is told. Where there is no prompt
    yet, a first one is made from a TODO or from a module without tests. No file is written over
    and nothing is committed.
    """
    asked = PlanRequest(repository=repo, prompts=(), options=given_settings(given))
    is_wanted = github or given["action"] or given["compat"]
    source = find_action_source(given["action"]) if is_wanted else None
    init_files = plan_init_files(asked, action=source, compatible=given["compat"])
    is_new = any(path in FILE_NAMES for path in init_files.missing)
    if is_new and not given["no_try"]:
        console.note("trying setup and check in a fresh worktree; --no-try leaves it out")
        init_files = replace(init_files, trial=try_init(asked))
    write_init_files(init_files)
    console.result("\n".join(init_files.sentences()), init_files.document())
    return 0
