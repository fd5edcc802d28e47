from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from concertmaster.model import Prompt
from concertmaster.prompts.parser import as_title, parse_prompt
from concertmaster.prompts.writer import render_prompt

NOTHING = ("", "~", "null")

characters = st.characters(exclude_categories=("Cs", "Cc"))
awkward = st.sampled_from(["---", "a: b", "- x", "'", '"', "#", "*", "&a", "!!", "@", "{", "["])
words = st.lists(st.text(characters, max_size=30) | awkward, max_size=4).map(" ".join)
names = words.map(str.strip).filter(lambda name: name.lower() not in NOTHING)
paths = st.from_regex(r"[a-z][a-z .:#'\"-]{0,20}[a-z]\.md", fullmatch=True)
lines = st.lists(words | st.text(max_size=20), max_size=8).map("\n".join)


def read(data: str) -> Prompt:
    return parse_prompt(data.encode(), path="prompts/a.md")


@given(title=names, needs=st.lists(names, unique=True), touches=st.lists(paths, unique=True))
def test_what_is_rendered_is_read_back(title: str, needs: list[str], touches: list[str]) -> None:
    prompt = read(render_prompt(title=title, text="Do it.", needs=needs, touches=touches))
    if as_title(title).lower() not in NOTHING:
        assert prompt.title == as_title(title)
    assert (prompt.needs, prompt.touches) == (tuple(needs), tuple(touches))
    assert prompt.text.strip() == "Do it."


@given(title=st.text(), text=lines)
def test_no_title_and_no_text_reaches_the_front_matter(title: str, text: str) -> None:
    prompt = read(render_prompt(title=title, text=f"x{text}"))
    assert (prompt.needs, prompt.check, prompt.agent, prompt.phases) == ((), "", "", prompt.phases)
    assert prompt.text.strip().startswith("x")


@given(lines)
def test_a_text_that_reads_well_stays_as_it_is(text: str) -> None:
    once = read(render_prompt(title="A", text=f"x{text}")).text.strip()
    assert read(render_prompt(title="A", text=once)).text.strip() == once


def test_an_indented_text_with_rules_in_it_keeps_its_lines() -> None:
    text = "# Do\n\n---\n\ntitle: no\n\n---\n\n    code\n\n- a\n  - b"
    assert read(render_prompt(title="A", text=text)).text.strip() == text


def test_the_tabs_of_a_recipe_stay() -> None:
    text = "test:\n\tpytest -q\t# all"
    assert read(render_prompt(title="A", text=text)).text.strip() == text


def test_nothing_of_a_text_steers_a_terminal() -> None:
    written = render_prompt(title="a\x1b[2Jb", text="\x1b]0;x\x07red\x1b[31m\rover\x00\u202egnp")
    assert all(c.isprintable() or c in "\n\t\ufffd" for c in written)
