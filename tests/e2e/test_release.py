"""A dry run of the release workflow, with stand-ins for the registry and for GitHub."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.release_references import ACTIONS
from tests.e2e.engine import ROOT, Engine
from tests.e2e.local_release import STANDINS, UNKNOWN_KEYS, read_workflow
from tests.e2e.runner import Runner

pytestmark = pytest.mark.e2e

WORKFLOW = ROOT / ".github/workflows/release.yml"
VERSION = "src/concertmaster/__init__.py"
FILES = (*ACTIONS, "docs/release_references.py", "Dockerfile", VERSION)
URL = "https://github.com/ada/music.git"
# The tests are what is released, and the package goes to a registry.
LEFT_OUT = ("test", "package", "pypi")
PROGRAMS = """\
cat > /usr/local/bin/docker <<'END'
#!/bin/sh
echo "docker $*" >> /artifacts/calls
case $* in *inspect*) echo sha256:ba5e ;; esac
END
cat > /usr/local/bin/gh <<'END'
#!/bin/sh
echo "gh $*" >> /artifacts/calls
END
chmod +x /usr/local/bin/docker /usr/local/bin/gh
git config --global safe.directory '*'
git config --global url./artifacts/origin.git.insteadOf URL
"""


def make_dry_run() -> dict[str, Any]:
    """Return the workflow without the jobs that are left out."""
    workflow = read_workflow(WORKFLOW)
    kept = {key: value for key, value in workflow.items() if key not in UNKNOWN_KEYS}
    jobs = {name: _edit(job) for name, job in workflow["jobs"].items() if name not in LEFT_OUT}
    return {**kept, "jobs": jobs}


def _edit(job: dict[str, Any]) -> dict[str, Any]:
    needs = job.get("needs", [])
    needed = [needs] if isinstance(needs, str) else needs
    first = {"run": PROGRAMS.replace("URL", URL)}
    return {
        **job,
        "needs": [name for name in needed if name not in LEFT_OUT],
        "steps": [first, *map(_check_out, job["steps"])],
    }


def _check_out(step: dict[str, Any]) -> dict[str, Any]:
    """Return a step in place of a checkout of another ref than that of the event."""
    ref = step.get("with", {}).get("ref")
    return {"run": f"git clone /artifacts/origin.git . && git checkout {ref}"} if ref else step


def standins() -> dict[str, Path]:
    used = re.findall(r"uses: ([\w-]+/[\w-]+)(@\w+)", WORKFLOW.read_text())
    kinds = {"docker/build-push-action": "build", "pypa/gh-action-pypi-publish": "absent"}
    return {name + ref: STANDINS / kinds.get(name, "nothing") for name, ref in used}


def git(folder: Path, *args: str) -> str:
    command = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", *args]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_release_workflow_names_what_it_has_built(
    engine: Engine, small_image: str, tmp_path: Path
) -> None:
    checkout, origin = tmp_path / "music", tmp_path / "run" / "artifacts" / "origin.git"
    for name in FILES:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text((ROOT / name).read_text())
    (checkout / VERSION).write_text('__version__ = "1.2.3"\n')
    git(checkout, "init", "--quiet", "--initial-branch=main")
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message=All")
    git(checkout, "remote", "add", "origin", URL)
    origin.parent.mkdir(parents=True)
    git(tmp_path, "clone", "--quiet", "--bare", str(checkout), str(origin))
    workflow = tmp_path / "release.yml"
    workflow.write_text(yaml.safe_dump(make_dry_run(), sort_keys=False))

    ran = Runner(engine=engine, image=small_image, actions=standins()).run(
        checkout,
        workflow,
        event="workflow_dispatch",
        payload={"ref": "refs/heads/main"},
        folder=tmp_path / "run",
    )

    assert ran.code == 0, ran.log
    assert git(origin, "diff", "--name-only", "main", "v1.2.3").split() == sorted(ACTIONS)
    assert git(origin, "rev-parse", "v1.2.3^") == git(origin, "rev-parse", "main")
    assert git(origin, "rev-parse", "v1") == git(origin, "rev-parse", "v1.2.3")
    calls = (ran.artifacts / "calls").read_text()
    assert "build concertmaster as ghcr.io/ada/music:1.2.3\n" in calls
    assert "build concertmaster-agents as ghcr.io/ada/music-agents:1.2.3\n" in calls
    assert "gh release create v1.2.3 --verify-tag --generate-notes\n" in calls
    named = re.findall(r"image: docker://(.+)", git(origin, "show", "v1.2.3:trusted/action.yml"))
    assert f"docker buildx imagetools create --tag ghcr.io/ada/music:1 {named[0]}\n" in calls
