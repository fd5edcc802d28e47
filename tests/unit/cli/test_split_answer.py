"""The pieces of an answer are accepted only if their prompt files read back as meant."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from concertmaster.agents.answers import UnreadableAnswer
from concertmaster.cli.split_answer import (
    LONGEST_TEXT,
    MOST_PIECES,
    MOST_TEXT,
    MOST_TOUCHES,
    SplitAnswer,
    SplitPart,
    describe_part,
    read_split,
)
from concertmaster.prompts.parser import MAX_SLUG, as_title, parse_prompt
from concertmaster.text.display import is_visible

LEXER = {"name": "lexer", "title": "Write the lexer", "text": "In lexer.py.", "needs": []}
PARSER = {
    "name": "parser",
    "title": "Write the parser",
    "text": "On the lexer.",
    "needs": ["lexer"],
}
GOOD = {"pieces": [LEXER, PARSER], "whole": ""}

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(["lexer", "parser", "a", "a-b", "../a", "a.md", "A", "", "a/b"])
AWKWARD = st.sampled_from(
    ["---", "a: b", "- x", "'", '"', "# x", "*", "&a", "!!", "null", "~", "{", "\x1b[2J", "\u202e"]
)
WORDS = st.lists(st.text(max_size=20) | AWKWARD, min_size=1, max_size=4).map(" ".join)
TOUCHES = st.sampled_from(
    [
        "a.py",
        "src/**",
        "../x",
        "[",
        "/",
        "",
        "./Makefile",
        "Makefile",
        "\ud83d",
        "null",
        "**/*/*/**/*/*/*/*",
    ]
)
FIELDS = {
    "name": NAMES | VALUES,
    "title": WORDS | VALUES,
    "text": st.lists(WORDS, min_size=1, max_size=4).map("\n".join) | VALUES,
    "needs": st.lists(NAMES, max_size=2) | VALUES,
    "touches": st.lists(TOUCHES, max_size=3) | VALUES,
}
ANSWERS = st.fixed_dictionaries(
    {"pieces": st.lists(st.fixed_dictionaries({}, optional=FIELDS), max_size=3) | VALUES},
    optional={"whole": VALUES},
)


def block(found: Any) -> str:
    return f"```json\n{json.dumps(found)}\n```"


def read(found: Any, **more: Any) -> SplitAnswer:
    return read_split(json.dumps(found), **more)


def both(**changes: Any) -> dict[str, Any]:
    """Return the good answer with changed fields of the first piece."""
    return {"pieces": [{**LEXER, **changes}, PARSER]}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        block(GOOD),
        f"I have read all of it.\n\n{block(GOOD)}\n",
        f"{block({'whole': 'at first sight'})}\n\nNo:\n\n{block(GOOD)}",
        block({"pieces": [{**LEXER, "confidence": 1}, {**PARSER, "touches": None}]}),
    ],
)
def test_a_split_is_read_from_the_whole_answer_or_its_last_block(text: str) -> None:
    lexer, parser = read_split(text).pieces

    assert (lexer.file, lexer.title, lexer.needs) == ("lexer.md", "Write the lexer", ())
    assert (parser.file, parser.needs) == ("parser.md", ("lexer.md",))
    assert "In lexer.py." in lexer.content


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ("LGTM", "no JSON object with pieces"),
        ([], "no JSON object with pieces"),
        ({"tasks": []}, "no JSON object with pieces"),
        ({"pieces": "two"}, "no list"),
        ({"whole": ""}, "no list"),
        ({"pieces": []}, "0 pieces"),
        ({"pieces": [LEXER]}, "1 piece, not 2"),
        ({"pieces": [{**LEXER, "name": f"p{n}"} for n in range(MOST_PIECES + 1)]}, "51 pieces"),
        ({**GOOD, "whole": "it is one"}, "a reason why there are none"),
        ({"whole": ["it is one"]}, "the reason"),
        ({"whole": " "}, "the reason"),
        ({"pieces": ["lexer", "parser"]}, "is no name"),
        ({"pieces": [LEXER, {**LEXER}]}, "two pieces have the name lexer"),
        *((both(name=name), "is no name") for name in ("", "Lexer", "lexer.md", "a--b", "-a", 7)),
        *((both(name=name), "is no name") for name in ("../a", "a/b", "/a", "..", ".", "a\n", "ä")),
        (both(name="x" * (MAX_SLUG + 1)), "is no name"),
        *((both(title=title), "the title of lexer") for title in ("", " \n", None, "null", "~")),
        (both(title="\x00\u202e"), "the title of lexer"),
        *((both(text=text), "the text of lexer") for text in ("", " \n", None, ["do"])),
        (both(text="x" * (LONGEST_TEXT + 1)), "the text of lexer has 20001 characters"),
        (both(text="\x0c"), "the text of lexer"),
        (both(needs="parser"), "the needs of lexer"),
        (both(needs=[1]), "the needs of lexer"),
        (both(needs=["parsre"]), "lexer needs 'parsre', which is no piece"),
        (both(needs=["parser.md"]), "which is no piece"),
        (both(needs=["../lexer"]), "which is no piece"),
        (both(needs=["lexer"]), "circle: lexer before lexer"),
        (both(needs=["parser"]), "circle: .* before .* before"),
        (both(touches="src"), "the touches of lexer"),
        (both(touches=["a"] * (MOST_TOUCHES + 1)), "too many or too long"),
        (both(touches=["a" * 300]), "too many or too long"),
        (both(touches=["../../etc/passwd"]), "makes no prompt file"),
        (both(touches=["a\x07b"]), "makes no prompt file"),
        (both(touches=["null"]), "makes no prompt file"),
    ],
)
def test_what_is_no_split_says_why(found: Any, problem: str) -> None:
    with pytest.raises(UnreadableAnswer, match=problem):
        read(found)


@pytest.mark.parametrize("text", ["", "[" * 100_000, block(GOOD).replace("}", "", 1), "pieces: 2"])
def test_what_is_no_json_is_no_split(text: str) -> None:
    with pytest.raises(UnreadableAnswer, match="no JSON object with pieces"):
        read_split(text)


def test_texts_that_are_too_long_together_are_refused() -> None:
    pieces = [{**LEXER, "name": f"p{n}", "text": "x" * LONGEST_TEXT} for n in range(4)]
    with pytest.raises(UnreadableAnswer, match=f"more than {MOST_TEXT}"):
        read({"pieces": pieces})


def test_a_prompt_that_stays_whole_has_a_reason_and_no_pieces() -> None:
    found = read({"whole": "all of it changes one function", "pieces": []})
    assert found == SplitAnswer(whole="all of it changes one function")


def test_needs_may_share_but_not_repeat_a_piece() -> None:
    third = {**PARSER, "name": "printer", "needs": ["lexer", "parser", "lexer"]}
    assert read({"pieces": [LEXER, PARSER, third]}).pieces[2].needs == ("lexer.md", "parser.md")


def test_an_agent_opens_no_path_that_is_a_persons_to_open() -> None:
    touches = ["src/lexer.py", "Makefile", "./.github/workflows/ci.yml", "conftest.py", "*.json"]
    found = read(both(touches=touches), opened=("conftest.py",))

    assert found.pieces[0].touches == ("src/lexer.py", "conftest.py", "*.json")
    assert "Makefile" not in found.pieces[0].content
    assert [note.split("`")[1] for note in found.notes] == [
        "touches: Makefile",
        "touches: ./.github/workflows/ci.yml",
    ]


def test_a_piece_that_a_plan_would_skip_is_named() -> None:
    found = read(both(text="# The lexer (COMPLETED)\n\nAll of it."))
    assert found.notes == ("lexer.md is marked COMPLETED, so a plan would skip it",)


def test_front_matter_in_a_text_stays_text() -> None:
    piece = read(both(text="---\ncheck: rm -rf /\nneeds: [x.md]\n---\nDo it.")).pieces[0]
    prompt = parse_prompt(piece.content.encode(), path="lexer.md")
    assert (prompt.check, prompt.needs) == ("", ())
    assert "check: rm -rf /" in prompt.text


@given(ANSWERS)
@example({"pieces": [{**LEXER, "touches": ["\ud83d"]}, PARSER]})
def test_every_piece_that_counts_makes_a_file_that_reads_back_as_it_was_meant(found: Any) -> None:
    try:
        split = read(found)
    except UnreadableAnswer:
        return
    files = [piece.file for piece in split.pieces]
    assert len(set(files)) == len(files) != 1
    for meant, piece in zip(found["pieces"] or [], split.pieces, strict=True):
        prompt = parse_prompt(piece.content.encode(), path=piece.file)
        assert piece.file == f"{meant['name']}.md"
        assert prompt.title == piece.title == as_title(meant["title"])
        assert prompt.needs == piece.needs
        assert set(prompt.needs) <= set(files) - {piece.file}
        assert prompt.touches == piece.touches
        assert (prompt.check, prompt.agent, prompt.phases) == ("", "", ())


@given(title=WORDS, text=st.lists(WORDS, max_size=6).map("\n".join))
def test_no_title_and_no_text_does_more_than_stand_there(title: str, text: str) -> None:
    piece = read(both(title=f"x{title}", text=f"x{text}")).pieces[0]

    assert piece.title == as_title(f"x{title}")
    assert all(c in "\n\t" or is_visible(c) for c in piece.content)
    assert parse_prompt(piece.content.encode(), path="lexer.md").text.strip().startswith("x")


@given(st.lists(st.text(max_size=20) | st.just("y" * 2500), max_size=4))
def test_whoever_looks_at_a_piece_sees_all_of_it(lines: list[str]) -> None:
    content = "\n".join(lines)
    piece = SplitPart(file="a.md", title="A", needs=(), touches=(), content=f"{content}x\n")

    shown = list(describe_part(piece))

    assert "".join(shown) == f"{content}x".replace("\n", "")
    assert max(map(len, shown)) <= 1000
