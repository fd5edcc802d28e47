"""Tests that no secret is in what we write, by the number of the case."""

from __future__ import annotations

import base64
import codecs
import json
import re
from dataclasses import replace

import pytest

from concertmaster.action.plan.job import plan as run_plan
from concertmaster.errors import Error
from tests.action.attacks import plan
from tests.action.repository import Scene

pytestmark = pytest.mark.matrix


SIGNATURE = base64.urlsafe_b64encode(bytes(range(7, 250, 3))).decode().rstrip("=")
OURS = f"ghs_1234567_eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxMjM0NTY3In0.{SIGNATURE}"
PEM = "\n".join(
    [
        "-----BEGIN RSA PRIVATE KEY-----",
        *(base64.b64encode(bytes((7 * n + k) % 251 for k in range(48))).decode() for n in range(9)),
        "-----END RSA PRIVATE KEY-----",
    ]
)
KEYS = {
    "installation": OURS,
    "classic": "ghp_" + "aB3dE6gH9j" * 4,
    "fine-grained": "github_pat_" + "A1b2C3d4E5" * 5,
    "Anthropic": "sk-ant-api03-" + "Qw3rTy_-9x" * 6,
    "JWT": f"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.{SIGNATURE}",
    "beside a letter": "x" + "ghp_" + "aB3dE6gH9j" * 4,
}


@pytest.fixture
def known(scene: Scene) -> Scene:
    """The scene with a token in the format that GitHub has used since 2026."""
    found = scene.double.store.tokens[scene.token]
    scene.double.store.tokens[OURS] = replace(found, value=OURS)
    scene.token = OURS
    return scene


def leaks(scene: Scene, secret: str, *, length: int = 16) -> set[str]:
    """Return the parts of a secret in our texts, with Mermaid's entities decoded."""
    shown = [re.sub(r"#(\d+);", lambda found: chr(int(found[1])), text) for text in scene.texts()]
    pieces = (secret[start : start + length] for start in range(len(secret) - length + 1))
    return {piece for piece in pieces if any(piece in text for text in shown)}


def tell_everywhere(scene: Scene, secret: str) -> None:
    """Put the secret in each place whose text we repeat."""
    inline, words = json.dumps(secret), secret.replace("\n", " ")
    front = f"---\ntitle: {inline}\ntouches: [{json.dumps(words)}]\nneeds: [p000.md]\n---\n"
    listed = scene.write_prompts(
        [
            f"# {secret}\n\nEdit `{secret}.py`.\n",
            f"{front}Edit {secret}\n",
            f"# Done {secret} (IMPLEMENTED)\n",
        ]
    )
    issue = scene.open_issue(f"{listed}- read {secret}/a.md\n", title=secret)
    plan(scene.ask(issue=issue))
    scene.write("prompts/bad.md", f"---\nneeds: [{inline}]\n---\nx\n".encode())
    for body in (
        f"/orchestrate {words}",
        f"/orchestrate target={words}",
        f"/orchestrate\n- {words}/../a.md\n- `{words}.md`",
        "/orchestrate\n- prompts/bad.md",
    ):
        try:
            run_plan(scene.ask(body, issue=issue).job())
        except Error as error:
            scene.runs[-1].job().console.error(error)


@pytest.mark.parametrize("spelling", ["plain", "base64", "reversed", "cut", "rot13", "hex"])
def test_case_13_our_token_is_in_nothing_that_we_write_however_it_is_spelt(
    known: Scene, spelling: str
) -> None:
    spelt = {
        "plain": OURS,
        "base64": base64.b64encode(OURS.encode()).decode(),
        "reversed": OURS[::-1],
        "cut": OURS[7:],
        "rot13": codecs.encode(OURS, "rot13"),
        "hex": OURS.encode().hex(),
    }[spelling]

    tell_everywhere(known, spelt)

    assert leaks(known, spelt) == set()


@pytest.mark.parametrize("kind", KEYS)
def test_case_14_no_key_of_any_kind_is_in_what_we_write(scene: Scene, kind: str) -> None:
    tell_everywhere(scene, KEYS[kind])

    assert leaks(scene, KEYS[kind][8:]) == set()


def test_case_14_a_key_over_several_lines_is_in_nothing_that_we_write(scene: Scene) -> None:
    tell_everywhere(scene, PEM)

    for line in PEM.splitlines()[1:-1]:
        assert leaks(scene, line) == set()


def test_case_14_a_file_named_like_a_key_still_has_one_issue(scene: Scene) -> None:
    name = "prompts/sk-ant-api03-abcdefghij0123456789abcdefghij.md"
    scene.write(name, b"# Write it\n")
    workflow = scene.ask(listed=f"- {name}\n")

    plan(workflow)
    plan(workflow)

    assert len(scene.children) == 1
