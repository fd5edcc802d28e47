"""README and the documents: tables, links, commands and the length of sentences."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from concertmaster.cli.main import commands as program
from docs.write_tables import fill_tables

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
MOST_WORDS = 25
ADVERTISING = (
    "seamless",
    "powerful",
    "intelligent",
    "robust",
    "enterprise",
    "revolution",
    "blazing",
)
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@pages
def test_the_tables_are_those_of_the_source(page: Path) -> None:
    text = page.read_text()
    assert fill_tables(text) == text, "run `make docs`"


@pages
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one).strip().lower().replace(" ", "-") for one in headings}


def shown_commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each `concertmaster` command that a page shows."""
    text = page.read_text()
    shown = [line for *_, code in FENCE.findall(text) for line in code.splitlines()]
    shown += re.findall(r"`(concertmaster [^`]+)`", FENCE.sub("", text))
    for line in shown:
        command = line.strip().removeprefix("$ ")
        if command.startswith("concertmaster "):
            yield shlex.split(command, comments=True)[1:]


@pages
def test_every_command_that_is_shown_exists_with_its_options(page: Path) -> None:
    for name, *words in shown_commands(page):
        if name == "--version":
            continue
        command = program.get_command(click.Context(program), name)
        assert command is not None, name
        known = {option for one in command.params for option in one.opts}
        given = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert given <= known | {"--help"}, (name, given - known)


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "CONTRIBUTING"])
def test_no_sentence_has_more_words_than_people_read_at_once(page: Path) -> None:
    long = [one for one in sentences(page.read_text()) if len(one.split()) > MOST_WORDS]
    assert not long


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a page, without code, tables, headings and pictures."""
    prose = FENCE.sub("\n\n", text)
    prose = re.sub(r"^(\||#|!\[|<!--).*$", "", prose, flags=re.MULTILINE)
    prose = re.sub(r"^\s*(?:[-*]|\d+\.) ", "\n\n", prose, flags=re.MULTILINE)
    for paragraph in re.split(r"\n\s*\n", prose):
        yield from re.split(r"(?<=[.!?:;·])\s+", LINK.sub("]", " ".join(paragraph.split())))


@pages
def test_no_word_of_advertising(page: Path) -> None:
    text = page.read_text().lower().replace("github enterprise server", "")
    assert [word for word in ADVERTISING if word in text] == []


def test_the_readme_is_short_and_names_every_page() -> None:
    readme = ROOT / "README.md"
    assert len(readme.read_text().splitlines()) <= 180
    linked = {readme.parent / link for link in LINK.findall(readme.read_text())}
    assert {*PAGES} - {readme} <= linked
