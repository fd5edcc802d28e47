"""The signals that a prompt gives about the files of a tree."""

from __future__ import annotations

import pytest

from concertmaster.insight.calibration import PRIOR, chance
from concertmaster.insight.file_facts import study_file
from concertmaster.insight.history import PastCommit
from concertmaster.insight.ranking import best_of, gather
from concertmaster.insight.signals import SIGNALS, Row, Signals, read_query
from concertmaster.insight.tree_view import TreeView

TEXTS = {
    "src/shop/money.py": "class Money:\n    def round_half(self): ...\n",
    "src/shop/order.py": "from shop.money import Money\n\nclass Order:\n    def total(self): ...\n",
    "src/shop/rate.py": "LIMIT = 3\n\ndef apply(order): ...\n",
    "src/shop/__init__.py": "",
    "packages/get-graph/src/index.ts": "export function graph() {}\n",
    "tests/test_money.py": "from shop.money import Money\n",
    "CHANGES.md": "# 1.0\n",
    "README.md": "A shop\n",
    "docs/README.md": "More\n",
}
HISTORY = [
    PastCommit(id=str(n), message="Money rounds", paths=("src/shop/money.py", "CHANGES.md"))
    for n in range(40)
]
VIEW = TreeView({path: study_file(text.encode()) for path, text in TEXTS.items()}, HISTORY)


def measure(text: str, named: dict[str, float] | None = None) -> dict[str, Row]:
    query = read_query(text, named or {})
    signals = Signals(VIEW, gather([query.words]))
    rows = signals.measure(query)
    signals.follow(rows, {path: chance(PRIOR, row) for path, row in rows.items()}, query.named)
    return rows


def signal(name: str, text: str, path: str) -> float:
    rows = measure(text)
    return rows[path][SIGNALS.index(name)] if path in rows else 0.0


@pytest.mark.parametrize(
    ("name", "text", "path"),
    [
        ("symbol", "`Order.total` is wrong", "src/shop/order.py"),
        ("symbol", "Money should print", "src/shop/money.py"),
        ("symbol", "use shop.rate for it", "src/shop/rate.py"),
        ("package", "the get-graph package", "packages/get-graph/src/index.ts"),
        ("common", "mention it in the changelog", "CHANGES.md"),
        ("common", "mention it in the readme", "README.md"),
        ("path", "how money works", "src/shop/money.py"),
        ("definitions", "round half", "src/shop/money.py"),
        ("messages", "how it rounds", "CHANGES.md"),
        ("cochange", "`Money` is wrong", "CHANGES.md"),
        ("tests", "`Money` is wrong", "tests/test_money.py"),
        ("imports", "`Money` is wrong", "src/shop/order.py"),
        ("habit", "something else", "CHANGES.md"),
    ],
)
def test_a_prompt_points_at_a_file(name: str, text: str, path: str) -> None:
    assert signal(name, text, path) > 0.0


def test_a_common_name_means_the_file_nearest_to_the_root() -> None:
    assert signal("common", "mention it in the readme", "docs/README.md") == 0.0


def test_a_file_beside_those_that_a_prompt_names_is_less_likely() -> None:
    text = "`Money` is wrong"
    alone = measure(text)["src/shop/money.py"]
    beside = measure(text, {"src/shop/rate.py": 0.9})["src/shop/money.py"]

    assert chance(PRIOR, beside) < chance(PRIOR, alone)


@pytest.mark.parametrize("text", ["`Money` is wrong", "how it rounds", "The total of an order"])
def test_a_file_beside_a_changelog_that_a_prompt_names_is_as_likely(text: str) -> None:
    both = f"{text}\nAdd a line to CHANGES.md, the list of changes"
    alone, beside = measure(text), measure(both, {"CHANGES.md": 0.9})
    likely = {path: chance(PRIOR, row) for path, row in alone.items() if path != "CHANGES.md"}
    best = best_of(likely, 1)[0]

    assert chance(PRIOR, beside[best]) >= 0.75 * likely[best]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Money.round_half rounds up", "src/shop/money.py"),
        ("The total of an order", "src/shop/order.py"),
        ("Say so in the changelog", "CHANGES.md"),
    ],
)
def test_the_likeliest_file_comes_first(text: str, first: str) -> None:
    chances = {path: chance(PRIOR, row) for path, row in measure(text).items()}

    assert best_of(chances, 1) == [first]


def test_the_first_line_counts_more_than_the_rest() -> None:
    words = read_query("# Parser\n\nSee the printer.", {}).words

    assert words["pars"] > words["print"]


def test_a_huge_prompt_is_read_in_part() -> None:
    assert "tail" not in read_query("word " * 20_000 + "tail", {}).words
