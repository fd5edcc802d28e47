"""Contents of the image."""

from __future__ import annotations

import json
import re

import pytest

from concertmaster import __version__
from tests.e2e.engine import ROOT, Engine
from tests.e2e.image_size import MEGABYTE, layers, tabulate

pytestmark = pytest.mark.e2e

MOST_ON_DISK = 700 * MEGABYTE
MOST_ON_DISK_SMALL = 300 * MEGABYTE
MOST_SMALL = 80 * MEGABYTE  # compressed; the base image of the registry is smaller than ours
STRANGER = "70001"


def ask(engine: Engine, image: str, *words: str, user: str = "0") -> str:
    """Return the output of a program in the image, for a user without a home."""
    program, *args = words
    options = ("--rm", f"--user={user}:{user}", "--env=HOME=/tmp", f"--entrypoint={program}")
    return engine.ask("run", *options, image, *args)


def test_the_images_start_the_program_with_what_they_are_given(
    engine: Engine, image: str, small_image: str
) -> None:
    for one in (image, small_image):
        assert engine.ask("run", "--rm", one, "--version") == f"concertmaster {__version__}"


def test_every_user_can_run_the_pinned_agent(engine: Engine, image: str) -> None:
    pinned = json.loads((ROOT / "tests/claude/package.json").read_text())["dependencies"]
    said = ask(engine, image, "claude", "--version", user=STRANGER)
    assert said.split()[0] == pinned["@anthropic-ai/claude-code"]
    assert ask(engine, image, "git", "--version", user=STRANGER)


def test_the_small_image_has_git_and_no_agent(engine: Engine, small_image: str) -> None:
    assert ask(engine, small_image, "git", "--version", user=STRANGER)
    assert (
        ask(engine, small_image, "sh", "-c", "command -v claude node; ls /opt") == "concertmaster"
    )


@pytest.mark.parametrize("program", ["small", "agents"])
def test_git_finds_each_library_and_command_that_the_jobs_use(
    engine: Engine, image: str, small_image: str, program: str
) -> None:
    script = """
        for one in git make git-remote-https; do
          ldd "$(PATH=$PATH:$(git --exec-path) command -v $one)" | grep "not found"
        done
        git init --quiet /tmp/a && cd /tmp/a && git config user.name a && git config user.email a@a
        git commit --quiet --allow-empty --message a && git bundle create --quiet b HEAD
        git clone --quiet b /tmp/c && git -C /tmp/c worktree add --quiet /tmp/d
        git -C /tmp/d merge-tree --write-tree HEAD HEAD >/dev/null && git fsck --no-progress
        git ls-remote https://127.0.0.1:1/a.git 2>&1 | grep --only-matching "Failed to connect"
    """
    name = small_image if program == "small" else image
    assert ask(engine, name, "sh", "-c", script, user=STRANGER) == "Failed to connect"


def test_the_small_image_names_its_packages_to_scanners(engine: Engine, small_image: str) -> None:
    script = (
        "cat /var/lib/dpkg/status.d/git | head -2; ls /var/lib/dpkg/status.d; command -v perldoc"
    )
    found = ask(engine, small_image, "sh", "-c", f"{script}; true").splitlines()
    assert found[:2] == ["Package: git", "Status: install ok installed"]
    assert {"git", "make", "libcurl3-gnutls"} <= {*found}
    assert not [one for one in found if "perl" in one]


def test_the_image_keeps_no_cache_and_no_tools_of_its_build(engine: Engine, image: str) -> None:
    places = "/root /tmp /var/tmp /var/cache/apt /var/lib/apt/lists /parts"
    found = ask(engine, image, "sh", "-c", f"find {places} -type f -size +8k 2>/dev/null; true")
    assert found == ""
    assert ask(engine, image, "sh", "-c", "command -v node npm pip hatchling gcc; true") == ""


def test_the_image_knows_no_secret_and_no_user(engine: Engine, image: str) -> None:
    (config,) = json.loads(engine.ask("inspect", "--type=image", image))
    names = [one.partition("=")[0] for one in config["Config"]["Env"]]
    assert not [one for one in names if re.search("KEY(?!_0)|TOKEN|SECRET|PASSWORD", one)]
    assert not config["Config"].get("User")
    assert config["Config"]["Entrypoint"] == ["concertmaster"]


def test_the_images_are_no_larger_than_they_may_be(
    engine: Engine, image: str, small_image: str
) -> None:
    for name, most in ((small_image, MOST_ON_DISK_SMALL), (image, MOST_ON_DISK)):
        found = layers(engine, name)
        print(f"\n{name}\n" + tabulate(found))
        assert sum(one.on_disk for one in found) <= most
    small = sum(one.compressed for one in layers(engine, small_image))
    print(f"{small_image}: {small / MEGABYTE:.1f} MB compressed, of {MOST_SMALL / MEGABYTE:.0f}")
    assert small <= MOST_SMALL


def test_a_toolchain_goes_on_top_of_the_image(engine: Engine, image: str) -> None:
    tag = "localhost/concertmaster-own:e2e"
    engine.build(ROOT / "examples/own-image", tag, "--build-arg", f"CONCERTMASTER={image}")
    assert engine.ask("run", "--rm", tag, "--version") == f"concertmaster {__version__}"
    assert "gcc" in ask(engine, tag, "gcc", "--version", user=STRANGER)


def test_an_unknown_agent_is_refused_by_name(engine: Engine) -> None:
    said = engine.refuse_build(ROOT, "--build-arg", "AGENTS=claude nobody")
    assert "no agent nobody" in said
