"""The scripts of the release workflow, with real git; `docker` and `gh` only tell their words."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from docs.job_actions import BUILT, FOLDERS, SOURCE, make_job_action
from docs.release_references import ACTIONS, refer
from tests.conftest import Project
from tests.workflows.files import ROOT, WORKFLOWS, read

DIGEST = f"@sha256:{'0a' * 32}"
IMAGES = (f"ghcr.io/octo/music{DIGEST}", f"ghcr.io/octo/music-agents{DIGEST}")
VERSION = "src/concertmaster/__init__.py"
FILES = (*ACTIONS, "docs/release_references.py", "Dockerfile", VERSION)
RELEASE = WORKFLOWS["release"]


@pytest.fixture
def released(project: Project) -> Project:
    """A repository with what the scripts read, at version 1.2.3, and an origin of its own."""
    files = {name: (ROOT / name).read_text() for name in FILES}
    project.commit("All", {**files, VERSION: '__version__ = "1.2.3"\n'})
    project.git("init", "--quiet", "--bare", "origin")
    project.git("remote", "add", "origin", "origin")
    return project


def script(job: str) -> str:
    """Return the last script of a job."""
    return [str(step["run"]) for name, step in RELEASE.steps() if name == job and "run" in step][-1]


def run(project: Project, job: str, **variables: str) -> tuple[int, str, list[str]]:
    """Return the status of a job's script, its output, and the calls of other programs."""
    programs = project.root.parent / "programs"
    programs.mkdir(exist_ok=True)
    calls = programs / "calls"
    calls.write_text("")
    for name in ("docker", "gh"):
        path = programs / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> "{calls}"\n')
        path.chmod(0o755)
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script(job)],
        cwd=project.root,
        env={
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "GITHUB_OUTPUT": str(programs / "output"),
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr, calls.read_text().splitlines()


def hand() -> dict[str, str]:
    """Return the variables that the jobs before hand on."""
    return {"VERSION": "1.2.3", "IMAGE": IMAGES[0], "AGENTS_IMAGE": IMAGES[1]}


def test_the_release_commit_changes_the_references_and_nothing_else(released: Project) -> None:
    parent = released.git("rev-parse", "HEAD")

    code, said, calls = run(released, "tags", **hand())

    assert code == 0, said
    assert released.git("rev-parse", "HEAD^") == parent
    assert parent in released.git("log", "-1", "--format=%B")
    changed = released.git("diff", "--unified=0", "HEAD^").splitlines()
    lines = [line for line in changed if re.match(r"[-+](?![-+])", line)]
    assert sorted(lines) == sorted(
        [
            *("-  image: Dockerfile", *[f"-{BUILT}".removesuffix("\n")] * 2),
            f"+  image: docker://{IMAGES[0]}",
            *[f"+  image: docker://{IMAGES[1]}"] * 2,
        ]
    )
    at_origin = released.git("--git-dir=origin", "rev-parse", "v1.2.3")
    assert at_origin == released.git("rev-parse", "HEAD")
    assert calls == ["gh auth setup-git", "gh release create v1.2.3 --verify-tag --generate-notes"]


def test_each_action_gets_the_image_that_its_jobs_need(tmp_path: Path) -> None:
    for name in ACTIONS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())

    refer(tmp_path, IMAGES)

    found = {
        name: re.findall("image: (.*)", (tmp_path / name).read_text())[0].removeprefix("docker://")
        for name in ACTIONS
    }
    small, large = IMAGES
    assert found == {"action.yml": large, "agents/action.yml": large, "trusted/action.yml": small}
    with pytest.raises(ValueError, match="does not build its image"):
        refer(tmp_path, IMAGES)


@pytest.mark.parametrize(
    "image",
    ["", "@", "ghcr.io/octo/music", "ghcr.io/octo/music:1", f"docker.io/x{DIGEST}", f"x{DIGEST}\n"],
)
def test_an_image_without_a_digest_is_no_reference(tmp_path: Path, image: str) -> None:
    with pytest.raises(ValueError, match="no image"):
        refer(tmp_path, (IMAGES[0], image))


def test_the_moving_tags_follow_at_the_end(released: Project) -> None:
    run(released, "tags", **hand())
    released.git("push", "--quiet", "origin", "main:refs/tags/v1")
    released.commit("Further", {"further": "1"})

    code, said, calls = run(released, "moving", **hand())

    assert code == 0, said
    assert released.git("--git-dir=origin", "rev-parse", "v1") == released.git("rev-parse", "HEAD")
    made = "docker buildx imagetools create --tag"
    assert calls == [
        f"{made} ghcr.io/octo/music:1 {IMAGES[0]}",
        f"{made} ghcr.io/octo/music-agents:1 {IMAGES[1]}",
        "gh auth setup-git",
    ]


def test_a_version_is_released_once_and_none_before_1(released: Project) -> None:
    code, said, _ = run(released, "version")
    assert code == 0, said
    assert (released.root.parent / "programs/output").read_text() == "version=1.2.3\n"
    released.git("tag", "v1.2.3")
    code, said, _ = run(released, "version")
    assert (code, "v1.2.3 is there already" in said) == (1, True)
    for text in ('__version__ = "0.9.0"\n', '__version__ = "1.2.3rc1"\n'):
        released.commit("Other", {VERSION: text})
        code, said, _ = run(released, "version")
        assert (code, "begin with 1.0.0" in said) == (1, True)


def test_the_release_builds_both_targets_for_both_machines() -> None:
    targets = re.findall(r"^FROM \S+ AS (concertmaster\S*)$", read("Dockerfile").text, re.MULTILINE)
    builds = [step for _, step in RELEASE.steps() if "build-push-action" in step.get("uses", "")]
    assert [step["with"]["target"] for step in builds] == targets
    assert {step["with"]["platforms"] for step in builds} == {"linux/amd64,linux/arm64"}
    attested = [step for _, step in RELEASE.steps() if "actions/attest@" in step.get("uses", "")]
    assert len(attested) == len(builds)


def test_the_actions_of_the_jobs_are_made_from_the_action() -> None:
    for folder, name in FOLDERS.items():
        made = make_job_action(SOURCE.read_text(), name=name)
        assert read(f"{folder}/action.yml").text == made
