"""What is foreseen on real repositories."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from concertmaster.git.repository import Repository
from concertmaster.insight.footprint import name_paths
from concertmaster.insight.foresight import Foresight, foresee
from concertmaster.insight.tree_paths import TreePaths
from concertmaster.prompts.parser import parse_prompt
from tests.conftest import Project, in_matrix

Look = Callable[..., Foresight]
SHOP = {
    "src/shop/money.py": "class Money:\n    def round_half(self):\n        return self\n",
    "src/shop/order.py": "from shop.money import Money\n\ndef total(order):\n    return order\n",
    "tests/test_money.py": "from shop.money import Money\n",
    "tests/test_order.py": "from shop.order import total\n",
    "README.md": "A shop\n",
}


@pytest.fixture
def look(project: Project) -> Look:
    """Return what is foreseen for some texts at the tip of the project."""

    def foreseen(*texts: str, cache: Path | None = None, commit: str = "HEAD") -> Foresight:
        prompts = [
            parse_prompt(text.encode(), path=f"prompts/{number}.md")
            for number, text in enumerate(texts)
        ]
        repository = Repository.open(project.root)
        base = repository.resolve(commit)
        return foresee(prompts, repository=repository, base=base, cache=cache)

    return foreseen


def grow(project: Project, commits: int) -> None:
    """Add commits whose messages tell which of two files they change; each notes it in a list."""
    project.commit("Open the shop", SHOP | {"CHANGES.md": "# Changes\n"})
    drawn = random.Random(7)
    texts = SHOP | {"CHANGES.md": "# Changes\n"}
    stream = []
    for number in range(commits):
        name = drawn.choice(["money", "order"])
        texts[f"src/shop/{name}.py"] += f"\nVALUE_{number} = {number}\n"
        texts["CHANGES.md"] += f"- {name} {number}\n"
        message = f"{name.title()} knows the value {number}"
        changed = (f"src/shop/{name}.py", "CHANGES.md")
        stream.append(
            f"commit refs/heads/main\ncommitter Ada <ada@example.org> {number + 2**30} +0000\n"
            f"data {len(message)}\n{message}\n"
            + ("from refs/heads/main^0\n" if not number else "")
            + "".join(f"M 644 inline {p}\ndata {len(texts[p])}\n{texts[p]}\n" for p in changed)
        )
    command = ["git", "-C", str(project.root), "fast-import", "--quiet"]
    subprocess.run(command, input="".join(stream), text=True, check=True)
    project.git("reset", "--quiet", "--hard")


def paths(seen: Foresight, at: int = 0) -> list[str]:
    return [entry.path for entry in seen.forecasts[at].entries]


def test_a_prompt_in_plain_words_is_foreseen_without_a_history(
    project: Project, look: Look
) -> None:
    project.commit("Open the shop", SHOP)
    seen = look("Money.round_half rounds up", "`total` is wrong for an empty order")

    assert [paths(seen, 0)[0], paths(seen, 1)[0]] == ["src/shop/money.py", "src/shop/order.py"]
    assert seen.forecasts[0].entries[0].lines == (2, 3)
    assert all(entry.reason for entry in seen.forecasts[0].entries)
    assert seen.notes == (
        "too few past commits to learn from: the predictions rest on other projects",
    )


def test_a_prompt_that_tells_nothing_is_unknown(project: Project, look: Look) -> None:
    project.commit("Open the shop", SHOP)
    seen = look("Make it better", "Change README.md", "---\ntouches: [zzz.txt]\n---\n# Go")

    assert [forecast.unknown for forecast in seen.forecasts] == [True, False, False]


def test_a_prompt_that_tells_nothing_but_the_changelog_is_unknown(
    project: Project, look: Look
) -> None:
    project.commit("Open the shop", SHOP | {"CHANGES.md": "# Changes\n"})
    seen = look("Make it better\n\nUpdate CHANGES.md", "`Money` is wrong; see CHANGES.md")

    assert [forecast.unknown for forecast in seen.forecasts] == [True, False]


def test_the_first_commit_does_not_say_what_changes_together(look: Look) -> None:
    """The project has one commit, "Start", which added all its files."""
    assert paths(look("Start the machine")) == []


def test_the_files_of_the_prompts_themselves_are_not_foreseen(project: Project, look: Look) -> None:
    text = "# Money\n\nMoney rounds up"
    project.commit("Open the shop", SHOP | {"prompts/0.md": text, "prompts/1.md": text})

    assert "src/shop/money.py" in paths(look(text, text))
    assert not {path for path in paths(look(text, text)) if path.startswith("prompts/")}


def test_prompts_that_are_not_listed_are_foreseen_only_where_they_are_named(
    project: Project, look: Look
) -> None:
    later = {"prompts/later.md": "# Money\n\nMoney rounds up, and money rounds down"}
    project.commit("Open the shop", SHOP | later)
    seen = look("Money rounds up", "Say in prompts/later.md which money rounds up")

    assert "src/shop/money.py" in paths(seen)
    assert "prompts/later.md" not in paths(seen)
    assert paths(seen, 1)[0] == "prompts/later.md"


def test_a_history_teaches_what_changes_together(project: Project, look: Look) -> None:
    grow(project, 90)
    seen = look("Money knows the value 7", "Order knows another value")

    chances = [{e.path: e.probability for e in f.entries} for f in seen.forecasts]
    assert chances[0]["src/shop/money.py"] > 0.7 > chances[0].get("src/shop/order.py", 0.0)
    assert chances[1]["src/shop/order.py"] > 0.7 > chances[1].get("src/shop/money.py", 0.0)
    assert min(found["CHANGES.md"] for found in chances) > 0.5
    assert seen.calibration.commits > 30
    assert seen.notes[0].startswith(f"on {seen.calibration.commits} past commits")
    near, pairs = seen.calibration.close["CHANGES.md"]
    assert 0 < near <= pairs


def damage(cache: Path) -> None:
    for file in cache.iterdir():
        file.write_bytes(b"SQLite format 3\0 and then nothing of the kind")


def empty(cache: Path) -> None:
    for file in cache.iterdir():
        file.unlink()


def replace_by_file(cache: Path) -> None:
    empty(cache)
    cache.rmdir()
    cache.write_text("no folder")


@pytest.mark.parametrize(
    "spoil", [damage, *in_matrix([lambda cache: None, empty, replace_by_file])]
)
def test_the_cache_changes_nothing_that_is_foreseen(
    project: Project, look: Look, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    grow(project, 80)
    texts = ("Money knows the value 7", "Make it better", "Change README.md")
    cache = tmp_path / "cache"
    expected = look(*texts)

    assert look(*texts, cache=cache, commit="HEAD~3") != expected
    assert look(*texts, cache=cache) == expected
    spoil(cache)
    assert look(*texts, cache=cache) == expected
    assert look(*texts, cache=cache) == expected


def test_a_rewritten_history_is_read_anew(project: Project, look: Look, tmp_path: Path) -> None:
    grow(project, 60)
    before = look("Money knows", cache=tmp_path / "cache")
    project.git("commit", "--quiet", "--amend", "--message", "Something else")
    after = look("Money knows", cache=tmp_path / "cache")

    assert after == look("Money knows")
    assert paths(before) == paths(after)


def test_a_small_project_without_a_history_leaves_no_cache(
    project: Project, look: Look, tmp_path: Path
) -> None:
    look("Change a.txt", cache=tmp_path / "cache")

    assert not (tmp_path / "cache").exists()


def test_a_name_in_the_text_counts_as_in_the_parser(project: Project) -> None:
    repository = project.open()
    tree = TreePaths(repository.paths(repository.resolve("HEAD")))

    assert name_paths("Change a.txt", tree) == {"a.txt": 0.86}
