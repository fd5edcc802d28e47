"""Tests that the site holds every page and that its links lead to pages or to the source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.site_pages import PAGES, SOURCE, lead_links, open_to_everyone

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("page", "link", "led"),
    [
        ("README.md", "docs/github.md", "github.md"),
        ("README.md", "docs/agents.md#how-to-add-one", "agents.md#how-to-add-one"),
        ("README.md", "docs/pictures/run.svg", "pictures/run.svg"),
        ("README.md", "CONTRIBUTING.md", "contributing.md"),
        ("README.md", "#status", "#status"),
        ("docs/github.md", "path-policy.md", "path-policy.md"),
        ("docs/github.md", "../README.md#status", "index.md#status"),
        ("docs/github.md", "../examples/minimal.yml", f"{SOURCE}/blob/main/examples/minimal.yml"),
        ("docs/architecture.md", "../tests/simulator", f"{SOURCE}/tree/main/tests/simulator"),
        ("docs/github.md", "https://cli.github.com/", "https://cli.github.com/"),
    ],
)
def test_links_lead_to_pages_of_the_site_or_to_the_source(page: str, link: str, led: str) -> None:
    assert lead_links(f"see [it]({link}), then", page) == f"see [it]({led}), then"


def test_the_site_lists_every_page_once_and_is_strict() -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    listed = re.findall(r"^ +- ([\w-]+\.md)$", text, re.MULTILINE)
    there = {path.name for path in (ROOT / "docs").glob("*.md")}

    assert sorted(listed) == sorted({*there, *PAGES.values()})
    assert "\nstrict: true\n" in text


def test_the_search_has_a_name() -> None:
    html = '<div role="dialog"></div>'

    assert open_to_everyone(html) == '<div role="dialog" aria-label="Search"></div>'
