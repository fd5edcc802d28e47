from __future__ import annotations

import pytest

from concertmaster.model import Prompt
from concertmaster.planning.prose_order import infer_order


def prompt(path: str, text: str = "Do it.") -> Prompt:
    return Prompt(path=path, title="", text=text)


def behind(text: str) -> list[str]:
    listed = [prompt("prompts/alpha-core.md"), prompt("prompts/beta.md")]
    found = infer_order([*listed, prompt("prompts/mine.md", text)])
    assert all(order.path == "prompts/mine.md" for order in found)
    return [order.on.removeprefix("prompts/") for order in found]


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("Must complete after `alpha-core.md` to avoid conflicts.", ["alpha-core.md"]),
        ("- Depends on: [beta](prompts/beta.md), alpha-core.md", ["beta.md", "alpha-core.md"]),
        ("**Dependencies**: /prompts/beta.md", ["beta.md"]),
        ("This requires **beta.md**.", ["beta.md"]),
        ("Builds on\nthe work of ./prompts/beta.md", ["beta.md"]),
        ("Once beta.md has landed, start.", ["beta.md"]),
        ("Blocked by beta.md", ["beta.md"]),
        ("Run it after beta.md and before alpha-core.md.", ["beta.md"]),
        ("Run it before beta.md and after alpha-core.md.", ["alpha-core.md"]),
        # a name alone is not enough
        ("See beta.md.", []),
        ("See beta.md. After that, rest.", []),
        ("- after lunch\n- beta.md", []),
        ("After lunch\n\nbeta.md", []),
        ("beta.md comes after this.", []),
        ("Does not depend on beta.md.", []),
        ("It no longer requires beta.md", []),
        ("It's independent, so don't wait: never after beta.md", []),
        ("```\nrun after beta.md\n```", []),
        ("Depends on gamma.md", []),
        ("Depends on my-beta.md", []),
        ("Depends on mine.md", []),
        ("Must complete after XPIA", []),
        ("**Dependencies**: May reference files from Task 1 cleanup", []),
        ("Uses container environment from Phase 2", []),
    ],
)
def test_order_is_what_one_sentence_says_of_a_listed_prompt(text: str, on: list[str]) -> None:
    assert behind(text) == on


def test_each_pair_is_told_once_and_quoted() -> None:
    found = infer_order([prompt("a.md", "After b.md.\n\nAgain,\nafter b.md"), prompt("b.md")])
    assert found == (("a.md", "b.md", 'a.md says: "After b.md."'),)


def test_a_name_that_two_prompts_share_needs_its_folder() -> None:
    listed = [prompt("one/x.md"), prompt("two/x.md")]
    assert infer_order([*listed, prompt("c.md", "after x.md")]) == ()
    assert [o.on for o in infer_order([*listed, prompt("c.md", "after two/x.md")])] == ["two/x.md"]


@pytest.mark.parametrize("piece", ["a", "after ", "after b.md ", "not ", ". ", "- ", "```\n"])
def test_a_mebibyte_of_anything_is_read_to_its_end(piece: str) -> None:
    found = infer_order([prompt("a.md", (piece * (1 << 20))[: 1 << 20]), prompt("b.md")])
    assert len(found) <= 1
