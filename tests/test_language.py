"""The language of docstrings: a docstring opens with its subject or its verb."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import in_matrix

ROOT = Path(__file__).parents[1]
MOST_ODD_OPENINGS = 0.05  # of all docstrings; nox has 5 %, httpx none

PREPOSITIONS = """
about above across after against along among around as at before behind below beneath beside
besides between beyond by despite down during except for from in inside into like near of off on
onto out outside over past per round since through throughout till to toward towards under until
up upon with within without
"""
PRONOUNS = """
anybody anyone anything each either everybody everyone everything he her him his i it its itself
me mine my neither nobody none nothing one ones others our ours she some somebody someone something
such that their theirs them themselves these they this those us we what whatever which whichever
who whoever whom whose you your yours
"""
CONJUNCTIONS = """
although and because both but how however if lest nor once or provided so than though unless when
whenever where whereas wherever whether while why yet
"""
ODD = frozenset(f"{PREPOSITIONS} {PRONOUNS} {CONJUNCTIONS}".split())


def docstrings(folder: Path) -> Iterator[tuple[str, str]]:
    """Place and text of each docstring below the folder."""
    for file in sorted(folder.rglob("*.py")):
        for node in statements(ast.parse(file.read_text())):
            kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
            if isinstance(node, kinds) and (text := ast.get_docstring(node)):
                yield f"{file.relative_to(ROOT)}: {getattr(node, 'name', 'module')}", text


def opens_oddly(text: str) -> bool:
    """The first word is a preposition, a pronoun or a conjunction."""
    word = re.match(r"\W*([A-Za-z']+)", text)
    return word is not None and word[1].lower() in ODD


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the node and all statements in it. Expressions hold no docstrings."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from statements(child)


@pytest.mark.parametrize("folder", ["src", *in_matrix(["tests"])])
def test_nearly_all_docstrings_open_with_subject_or_verb(folder: str) -> None:
    found = [*docstrings(ROOT / folder)]
    odd = [f"{place}: {text.splitlines()[0]}" for place, text in found if opens_oddly(text)]

    assert len(odd) <= MOST_ODD_OPENINGS * len(found), "\n".join(odd)


@pytest.mark.parametrize(
    ("text", "odd"),
    [
        ("Return the plan.", False),
        ("The plan of a run.", False),
        ("`plan.json` of a run.", False),
        ("Of a run: the plan.", True),
        ("In the end the plan.", True),
        ("What is planned.", True),
        ("It plans.", True),
        ("Where the plan lies.", True),
    ],
)
def test_an_odd_opening_is_recognised(text: str, odd: bool) -> None:
    assert opens_oddly(text) is odd
