"""Agreement of inputs, secrets and outputs between actions, workflows and examples."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from concertmaster import __version__
from concertmaster.action.registry import JOBS
from concertmaster.github.prompt_list import read_prompt_list
from concertmaster.settings.action_inputs import ACTION_ONLY, FEDERATED, ActionSettings
from concertmaster.settings.declarations import settings_of
from concertmaster.settings.setting import Place
from concertmaster.settings.sources import load_settings
from docs.federated_workflow import make_federated
from tests.action.rounds import House
from tests.conftest import Project
from tests.github.double import Double
from tests.workflows.files import (
    ACTION,
    AGENTS,
    CALLED,
    EVERYTHING,
    EXAMPLES,
    HERE,
    HOST,
    NAME,
    ROOT,
    TRUSTED,
    WORKFLOWS,
    File,
    read,
)

INPUTS: dict[str, dict[str, Any]] = ACTION.yaml["inputs"]
OUTPUTS: dict[str, Any] = ACTION.yaml["outputs"]
# Inputs that the workflow itself uses and does not pass to the action.
OF_WORKFLOWS = {"runs_on", "trusted_runs_on", "app_client_id"}
SETTINGS = {
    name: field
    for name, field in ActionSettings.model_fields.items()
    if field.validation_alias is None
}


# --- the action and the program -----------------------------------------------------------------


def test_the_action_has_an_input_for_each_setting_and_no_other() -> None:
    assert {*INPUTS} == {*SETTINGS, "job"}


def test_every_default_is_the_one_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(f"INPUT_{name.upper()}", raising=False)
    plain = ActionSettings()
    for name, given in INPUTS.items():
        if name not in ("job", "github_token"):
            monkeypatch.setenv(f"INPUT_{name.upper()}", given["default"])
    assert ActionSettings() == plain


def test_the_token_of_the_workflow_is_the_default() -> None:
    assert INPUTS["github_token"]["default"] == "${{ github.token }}"


def test_every_input_and_output_is_described() -> None:
    for known in (INPUTS, OUTPUTS, HOST.yaml["inputs"], HOST.yaml["outputs"]):
        assert [name for name, one in known.items() if len(one["description"]) < 20] == []


def test_the_action_runs_every_job_of_the_program() -> None:
    assert ACTION.yaml["runs"]["args"] == ["action", "${{ inputs.job }}"]
    named = {*re.findall(r"`(\w+)`", INPUTS["job"]["description"])}
    assert named == {*JOBS}
    assert INPUTS["job"]["default"] in JOBS


def test_only_the_jobs_that_run_agents_have_the_image_with_agents() -> None:
    for name in CALLED:
        for job, step in WORKFLOWS[name].steps():
            if step.get("uses") in HERE:
                runs_agents = step["with"]["job"] in ("work", "verify")
                assert step["uses"] == (AGENTS if runs_agents else TRUSTED), job


@pytest.mark.matrix
def test_the_outputs_are_those_of_the_jobs(double: Double, tmp_path: Path) -> None:
    house = House.build(double, tmp_path, {"pear": "write pear.txt pear"})
    held = house.ask(house.open_issue("pear")).hold()
    assert {*held.outputs} == {*OUTPUTS}


# --- the action for hosts -----------------------------------------------------------------------


def test_the_host_takes_what_the_container_takes_but_isolation() -> None:
    inputs = HOST.yaml["inputs"]
    assert {*inputs} == {*INPUTS} - {"isolation"}
    for name, one in inputs.items():
        assert one["default"] == INPUTS[name]["default"]
        assert name == "job" or one["description"] == INPUTS[name]["description"]


def test_the_host_hands_every_input_to_the_program() -> None:
    step = HOST.yaml["runs"]["steps"][-1]
    given = {name: value for name, value in step["env"].items() if name.startswith("INPUT_")}
    assert given.pop("INPUT_ISOLATION") == "none"
    taken = {*HOST.yaml["inputs"]} - {"job"}
    assert given == {f"INPUT_{name.upper()}": f"${{{{ inputs.{name} }}}}" for name in taken}


def test_the_host_gives_every_output_back() -> None:
    step = HOST.yaml["runs"]["steps"][-1]["id"]
    assert {name: one["value"] for name, one in HOST.yaml["outputs"].items()} == {
        name: f"${{{{ steps.{step}.outputs.{name} }}}}" for name in OUTPUTS
    }


# --- reusable workflows -------------------------------------------------------------------------


def called(name: str) -> dict[str, Any]:
    found: dict[str, Any] = WORKFLOWS[name].yaml["on"]["workflow_call"]
    return found


@pytest.mark.parametrize("name", CALLED)
def test_a_workflow_takes_only_what_the_action_takes(name: str) -> None:
    assert {*called(name)["inputs"]} <= {*INPUTS} | OF_WORKFLOWS


@pytest.mark.parametrize("name", CALLED)
def test_a_default_is_the_same_in_workflow_and_action(name: str) -> None:
    for key, one in called(name)["inputs"].items():
        if (
            key in INPUTS and one.get("default", "") != ""
        ):  # an empty one leaves the default to the program
            assert str(one["default"]) == INPUTS[key]["default"], key


@pytest.mark.parametrize("name", CALLED)
def test_every_input_and_secret_of_a_workflow_is_described_and_used(name: str) -> None:
    jobs = WORKFLOWS[name].text.partition("\njobs:\n")[2]
    for kind in ("inputs", "secrets"):
        for key, one in called(name)[kind].items():
            assert one["description"]
            assert re.search(rf"\b{kind}\.{key}\b", jobs), key


def test_orchestrate_takes_every_declared_input_that_is_not_of_the_action_alone() -> None:
    declared = {name for name, field in SETTINGS.items() if ACTION_ONLY not in field.metadata}
    federated = {name for name, field in SETTINGS.items() if FEDERATED in field.metadata}
    assert {*called("orchestrate")["inputs"]} == (declared - federated) | OF_WORKFLOWS
    assert {*called("orchestrate-federated")["inputs"]} == declared | OF_WORKFLOWS


def test_the_federated_workflow_is_made_from_the_other() -> None:
    made = make_federated(WORKFLOWS["orchestrate"].text)
    assert WORKFLOWS["orchestrate-federated"].text == made


def test_the_settings_of_a_run_are_inputs_that_reach_the_plan() -> None:
    wanted = {name: f"${{{{ inputs.{name} }}}}" for name in settings_of(Place.INPUT)}
    steps = [step for job, step in WORKFLOWS["orchestrate"].steps() if job == "plan"]
    (given,) = [step["with"] for step in steps if step.get("with", {}).get("job") == "plan"]
    assert {name: given.get(name) for name in wanted} == wanted
    assert {name: INPUTS[name]["default"] for name in wanted} == dict.fromkeys(wanted, "")
    inputs = called("orchestrate")["inputs"]
    assert {name: inputs[name]["default"] for name in wanted} == dict.fromkeys(wanted, "")


def test_control_takes_no_more_than_orchestrate() -> None:
    for kind in ("inputs", "secrets"):
        assert {*called("control")[kind]} <= {*called("orchestrate")[kind]}


# --- users of actions and workflows -------------------------------------------------------------


def uses(file: File) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each step and job of the file that uses an action or workflow of ours."""
    callers = [*file.jobs.values(), *(step for _, step in file.steps())]
    for one in callers:
        name = one.get("uses", "")
        if name in HERE or name.startswith((NAME, "docker:")):
            yield name, one


def test_every_input_that_is_given_exists() -> None:
    for file in (*WORKFLOWS.values(), *EXAMPLES.values()):
        for name, one in uses(file):
            given = one.get("with", {})
            if "/workflows/" in name:
                workflow = called(Path(name).name.partition(".")[0])
                assert {*given} <= {*workflow["inputs"]}, file.name
                assert {*one.get("secrets", {})} <= {*workflow["secrets"]}, file.name
            elif name.startswith("docker:"):
                assert {*given} <= {"args", *INPUTS} - {"job"}, file.name
                assert given["args"].split()[0] == "action"
                assert given["args"].split()[1] in JOBS
            else:
                assert {*given} <= {*INPUTS}, file.name
                assert given["job"] in JOBS


def test_an_image_of_ones_own_gets_the_token_too() -> None:
    """Defaults of action.yml do not apply to an image."""
    for file in EXAMPLES.values():
        for name, one in uses(file):
            if name.startswith("docker:"):
                assert one["with"]["github_token"] == "${{ github.token }}"


def test_every_output_that_is_read_exists() -> None:
    for file in (*WORKFLOWS.values(), *EXAMPLES.values()):
        for step in ("plan", "work", "verify", "finalize"):
            read_here = {*re.findall(rf"steps\.{step}\.outputs\.(\w+)", file.text)}
            assert read_here <= {*OUTPUTS}, file.name


def test_every_caller_can_be_dispatched_for_a_further_round() -> None:
    for file in EXAMPLES.values():
        if "workflow_dispatch" in file.yaml["on"]:
            inputs = file.yaml["on"]["workflow_dispatch"]["inputs"]
            assert {*inputs} == {"run", "round", "issue", "prompts"}
            assert not any("required" in one for one in inputs.values())


def test_the_jobs_hand_on_what_they_are_to_check() -> None:
    for file in (WORKFLOWS["orchestrate"], EXAMPLES["own-image"], EXAMPLES["host"]):
        handed = {
            name: {*step["with"]}
            for name, step in file.steps()
            if "plan_sha256" in step.get("with", {})
        }
        assert {*handed} == {"work", "verify", "finalize"}
        assert "verdict_sha256" in handed["finalize"]


# --- names and numbers --------------------------------------------------------------------------


def test_the_major_version_is_the_same_everywhere() -> None:
    """Versions before 1.0.0 count as 1, because `v1` is the first tag."""
    major = max(1, int(__version__.partition(".")[0]))
    refs = {
        found
        for file in (*EXAMPLES.values(), read("docs/github.md"))
        for found in re.findall(rf"{NAME}[\w./-]*[@:#]v?(\d+)\b", file.text)
    }
    assert refs == {str(major)}


def test_the_pinned_agent_of_the_host_example_is_the_tested_one() -> None:
    pinned = yaml.safe_load((ROOT / "tests/claude/package.json").read_text())["dependencies"]
    (found,) = re.findall(r"@anthropic-ai/claude-code@(\S+)", EXAMPLES["host"].text)
    assert found == pinned["@anthropic-ai/claude-code"]


def test_the_page_has_the_table_of_inputs() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.+?) \|$", on_github(), re.MULTILINE)
    wanted = {name: one["default"] for name, one in called("orchestrate")["inputs"].items()}
    shown = {name: default.strip("`") for name, default, _ in rows if name in wanted}
    assert shown == {name: str(default) for name, default in wanted.items()}


def test_the_page_names_every_secret() -> None:
    shown = {*re.findall(r"`(\w+)`", on_github())}
    assert {*called("orchestrate")["secrets"]} <= shown


def test_the_page_links_every_example() -> None:
    for path in re.findall(r"\(\.\./((?:examples|host)/[\w./-]+)\)", on_github()):
        assert (ROOT / path).is_file(), path
    linked = {*re.findall(r"\(\.\./examples/([\w-]+)\.yml\)", on_github())}
    assert linked == {*EXAMPLES, "parent-issue"}


def on_github() -> str:
    """Return the page `On GitHub` of the documents."""
    return read("docs/github.md").text


def test_everything_is_of_one_owner() -> None:
    pages = (
        "README.md",
        "SECURITY.md",
        *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")),
    )
    texts = [*(file.text for file in EVERYTHING), *(read(page).text for page in pages)]
    named = r"(?:github\.com/|githubusercontent\.com/|ghcr\.io/|uses: )([\w-]+)/concertmaster\b"
    assert {owner for text in texts for owner in re.findall(named, text)} == {
        NAME.split("/")[0],
        "you",
    }


# --- whole steps --------------------------------------------------------------------------------


def test_the_first_step_of_the_page_does_what_it_says(project: Project) -> None:
    (block,) = re.findall(r"```sh\n(\s+concertmaster init.*?)```", on_github(), re.DOTALL)
    project.commit("A check", {"Makefile": "test:\n\ttrue\n"})
    project.git("init", "--quiet", "--bare", "origin")
    project.git("remote", "add", "origin", "origin")
    project.git("config", "push.default", "current")
    script = f"set -eu\n{block}".replace("OWNER/NAME@COMMIT", f"{NAME}@v1")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(
        ["bash", "-c", script],
        cwd=project.root,
        env={**os.environ, "PATH": path},
        check=True,
        capture_output=True,
    )

    settings = project.git("show", "main:concertmaster.yml").encode()
    assert load_settings({}, file=settings, name="concertmaster.yml").check == "make test"
    copied = project.git("show", "main:.github/workflows/orchestrate.yml")
    assert copied == EXAMPLES["minimal"].text.removesuffix("\n")
    assert project.git("--git-dir=origin", "rev-parse", "main") == project.git("rev-parse", "main")


def test_the_host_starts_the_program_with_its_inputs(tmp_path: Path) -> None:
    """The step runs as on a runner, with the libraries that are installed already."""
    step = HOST.yaml["runs"]["steps"][-1]
    given = {name: one["default"] for name, one in HOST.yaml["inputs"].items()} | {"job": "plan"}
    variables = {
        name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda found: given[found[1]], value)
        for name, value in step["env"].items()
    }
    surroundings = {"VENV": sys.prefix, "INPUT_GITHUB_TOKEN": "none", "RUNNER_TEMP": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
        env={**variables, **surroundings, "GITHUB_OUTPUT": str(tmp_path / "output")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "shares<<" in (tmp_path / "output").read_text()


def test_the_form_of_a_parent_issue_gives_a_list_of_prompts() -> None:
    """A form's answers become headings with the texts below them."""
    form = yaml.safe_load((ROOT / "examples/parent-issue.yml").read_text())
    parts = {part["id"]: part["attributes"] for part in form["body"] if "id" in part}
    body = f"### Prompts\n\n{parts['prompts']['value']}\n### Why\n\n_No response_"
    found = read_prompt_list(body, repository_url=f"https://github.com/{NAME}")
    assert (found.paths, found.problems) == (("prompts/first.md", "prompts/second.md"), ())
