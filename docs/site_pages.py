"""Adds the pages of the repository's root to the site, and leads links out of docs/ to the source.

mkdocs calls the functions `on_…`; `make site` runs it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from concertmaster.settings.action_source import EXAMPLE_SOURCE

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
SOURCE = f"https://github.com/{EXAMPLE_SOURCE.repository}"
# Brought along, so that readers load nothing from a third party.
MERMAID = ROOT / ".cache/mermaid/node_modules/mermaid/dist/mermaid.min.js"
LINK = re.compile(r"(?<=\]\()(?!https?://|#)([^)\s#]*)(#[^)\s]*)?(?=\))")


def on_files(files: Any, config: Any) -> Any:
    """Add the files that do not lie below docs/. Return the files of the site."""
    from mkdocs.structure.files import File  # noqa: PLC0415  only the site has mkdocs

    for name, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text("utf-8")))
    files.append(File.generated(config, "assets/mermaid.min.js", abs_src_path=str(MERMAID)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Return the page with links as the site needs them."""
    source = page.file.src_uri
    root_page = next((name for name, made in PAGES.items() if made == source), "")
    return lead_links(markdown, root_page or f"docs/{source}")


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Return the page with what a screen reader needs and the theme leaves out."""
    return open_to_everyone(output)


def open_to_everyone(html: str) -> str:
    """Return the HTML with a name for the search."""
    return html.replace('role="dialog"', 'role="dialog" aria-label="Search"')


def lead_links(markdown: str, page: str) -> str:
    """Return the Markdown of a page of the repository with links for the site.

    Links to pages of the site stay relative. All others lead to the source in the repository.
    """

    def lead(found: re.Match[str]) -> str:
        path, anchor = found[1], found[2] or ""
        target = ((ROOT / page).parent / path).resolve().relative_to(ROOT).as_posix()
        if target in PAGES:
            return f"{PAGES[target]}{anchor}"
        if target.startswith("docs/") and Path(target).suffix in (".md", ".svg"):
            return f"{target.removeprefix('docs/')}{anchor}"
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"{SOURCE}/{kind}/main/{target}{anchor}"

    return LINK.sub(lead, markdown)
