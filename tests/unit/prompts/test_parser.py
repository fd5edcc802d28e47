from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.errors import UsageError
from concertmaster.model import Prompt
from concertmaster.prompts.encoding import MAX_BYTES
from concertmaster.prompts.parser import MAX_SLUG, parse_prompt, task_id
from concertmaster.settings.choices import LEAN_PHASES, Phase


def read(text: str) -> Prompt:
    return parse_prompt(text.encode(), path="prompts/fix.md")


def read_settings(lines: str) -> Prompt:
    return read(f"---\n{lines}\n---\n\n# Title\n\nDo it.\n")


def refusal(data: bytes) -> UsageError:
    with pytest.raises(UsageError) as caught:
        parse_prompt(data, path="prompts/fix.md")
    assert "prompts/fix.md" in caught.value.what
    assert caught.value.next_step
    return caught.value


def test_a_prompt_needs_nothing_but_text() -> None:
    prompt = read("# Fix the parser\n\nIt fails on tabs.\n")
    assert prompt == Prompt(
        path="prompts/fix.md",
        title="Fix the parser",
        text="# Fix the parser\n\nIt fails on tabs.\n",
    )


def test_front_matter_sets_every_known_key() -> None:
    prompt = read_settings(
        "title: Better\nstatus: open\nneeds: [a.md, b.md]\ntouches:\n  - src/*.py\n  - ./docs/\n"
        "check: pytest -q\nestimate: 1h30m\nagent: codex\npriority: -3\nphases: [review]"
    )
    assert prompt.title == "Better"
    assert prompt.completed == ""
    assert prompt.needs == ("a.md", "b.md")
    assert prompt.touches == ("src/*.py", "docs/")
    assert (prompt.check, prompt.agent, prompt.priority) == ("pytest -q", "codex", -3)
    assert prompt.estimate_seconds == 5400
    assert prompt.phases == tuple(p for p in Phase if p in (*LEAN_PHASES, Phase.REVIEW))


def test_the_text_keeps_the_line_numbers_of_the_file() -> None:
    prompt = read_settings("priority: 1")
    assert prompt.text.split("\n")[4] == "# Title"
    assert "priority" not in prompt.text


def test_metadata_that_real_prompts_carry_is_accepted_and_ignored() -> None:
    prompt = read_settings(
        'title: "Test Enhancement"\nissue_number: 125\ncreated_by: prompt-writer\n'
        'date: 2025-01-08\ndescription: "Test implementation of Issue #125"'
    )
    assert prompt.title == "Test Enhancement"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("needs", "[]"),
        ("needs", ""),
        ("touches", "~"),
        ("check", "null"),
        ("estimate", ""),
        ("phases", "[]"),
        ("priority", ""),
        ("title", "null"),
    ],
)
def test_an_empty_value_is_as_good_as_none(key: str, value: str) -> None:
    prompt = read_settings(f"{key}: {value}")
    assert prompt.title == "Title"
    assert not any((prompt.needs, prompt.touches, prompt.check, prompt.estimate_seconds))


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("45m", 2700),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("90s", 90),
        ("45", 2700),
        ("1.5", 90),
        ("2h", 7200),
        ("30 min", 1800),
        ("2 hours", 7200),
        ("0.5h", 1800),
    ],
)
def test_an_estimate_is_a_duration_or_minutes(written: str, seconds: float) -> None:
    assert read_settings(f"estimate: {written}").estimate_seconds == seconds


@pytest.mark.parametrize(
    ("written", "phases"),
    [
        ("full", tuple(Phase)),
        ("lean", LEAN_PHASES),
        ("review", (Phase.PREPARE, Phase.IMPLEMENT, Phase.TEST, Phase.REVIEW, Phase.DELIVER)),
        ("document, research", tuple(p for p in Phase if p is not Phase.REVIEW)),
        ("[test]", LEAN_PHASES),
    ],
)
def test_phases_run_in_their_order_and_hold_those_always_in(
    written: str, phases: tuple[Phase, ...]
) -> None:
    assert read_settings(f"phases: {written}").phases == phases


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("need: a.md", "'need' in line 2; did you mean needs?"),
        ("\ntouch: a", "'touch' in line 3; did you mean touches?"),
        ("zzz: 1", "unknown key 'zzz'"),
        ("needs: a.md\nneeds: b.md", "needs in line 2 and in line 3"),
        ("needs: [[a]]", "needs in line 2 must be a list of texts"),
        ("needs: {a: b}", "needs in line 2 must be a list of texts"),
        ("touches: [a, '']", "holds an empty item"),
        ("touches: ../secret", "no path in the repository"),
        ("touches: ['!']", "glob that cannot be used"),
        ("title: [a]", "title in line 2 must be one text"),
        ("estimate: 0", "estimate in line 2"),
        ("estimate: -5m", "estimate in line 2"),
        ("estimate: .inf", "estimate in line 2"),
        ("estimate: .nan", "estimate in line 2"),
        ("estimate: 1e999", "estimate in line 2"),
        ("estimate: soon", "estimate in line 2"),
        ("estimate: 99999999h", "estimate in line 2"),
        ("priority: soon", "whole number, or high, medium or low"),
        ("priority: 1.5", "whole number"),
        ("priority: " + "9" * 5000, "whole number"),
        ("phases: [reveiw]", "did you mean review?"),
        ("phases: all", "phases in line 2 has no 'all'"),
        ('check: "a\\0b"', "control character"),
        ('title: "\\ud800"', "control character"),
        ("just words", "not made of `key: value` lines"),
        ("- a\n- b", "not made of `key: value` lines"),
        ("touches: *.py", "line 2 of its front matter is not YAML"),
        ("\n\ntitle: a: b", "line 4 of its front matter is not YAML"),
        ('title: "\\U00ffffff"', "not YAML"),
        pytest.param("title: " + "[" * 3000, "not YAML", marks=pytest.mark.matrix),
        ("title: " + "x" * 20000, "larger than 16 KiB"),
        ("a: &a [x]\nb: &b [*a, *a]", "unknown key 'a'"),
        ("needs: &a [*a]", "not YAML"),
        ("? [a]\n: b", "not YAML"),
    ],
)
def test_bad_front_matter_is_refused_with_its_line(lines: str, why: str) -> None:
    assert why in refusal(f"---\n{lines}\n---\n\ntext".encode()).why


@pytest.mark.parametrize("join", ["[{0}]", "{{<<: [{0}]}}"])
def test_a_yaml_bomb_is_refused(join: str) -> None:
    bomb = ["a0: &a0 {x: y}"]
    bomb += [f"a{n}: &a{n} " + join.format(", ".join([f"*a{n - 1}"] * 9)) for n in range(1, 30)]
    assert "unknown key" in refusal("\n".join(["---", *bomb, "---", "text"]).encode()).why


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b" \n\t\r\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"# a\0b", "binary"),
        (b"one\ntwo \xff", "line 2 is not UTF-8"),
        ("# é".encode("utf-16"), "it is UTF-16 text"),
        ("# Do it\r\n".encode("utf-16-be"), "it is UTF-16 text"),
        ("# Do it\r\n".encode("utf-16-le"), "it is UTF-16 text"),
        (b"\xfe\xff" + "# Größe".encode("utf-16-be"), "it is UTF-16 text"),
        ("# Do it".encode("utf-32"), "it is UTF-32 text"),
        (b"x" * (MAX_BYTES + 1), "larger than 1 MiB"),
        (b"---\ntitle: a\n\n# Text\n", "not closed"),
        (b"---", "not closed"),
        (b"---\ntitle: a\n---\n \n", "no work"),
    ],
)
def test_what_is_no_prompt_is_refused(data: bytes, why: str) -> None:
    assert why in refusal(data).why


def test_a_prompt_of_exactly_one_mebibyte_is_read() -> None:
    assert len(read("x" * MAX_BYTES).text) == MAX_BYTES


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_byte_order_marks_and_foreign_line_ends_are_fine(newline: str, mark: bytes) -> None:
    text = "---\nneeds: a.md\n---\n# Title\n\nText\n".replace("\n", newline)
    prompt = parse_prompt(mark + text.encode(), path="a.md")
    assert (prompt.needs, prompt.title) == (("a.md",), "Title")
    assert "\r" not in prompt.text


@pytest.mark.parametrize("opening", ["--- draft ---\n\ntext", "----------\n", "- --\n", " ---\nx"])
def test_only_a_line_of_dashes_at_the_top_opens_front_matter(opening: str) -> None:
    text = f"Words first\n\n{opening}" if opening.startswith("-----") else opening
    assert read(text).text == text


def test_a_line_of_dashes_further_down_is_a_rule() -> None:
    assert read("# Title\n\n---\nneeds: a.md\n---\n").needs == ()


@pytest.mark.parametrize(
    ("status", "completed"),
    [
        ("implemented", True),
        ("COMPLETED", True),
        ("Completed", True),
        ("draft", False),
        ("open", False),
        ("pending", False),
        ("not implemented", False),
        ("in progress", False),
    ],
)
def test_the_status_says_that_the_work_is_done(status: str, completed: bool) -> None:
    assert read_settings(f"status: {status}").completed == (
        f"status: {status}" if completed else ""
    )


@pytest.mark.parametrize(
    ("text", "title", "mark"),
    [
        ("# IMPLEMENTED: Fix it", "Fix it", "IMPLEMENTED"),
        ("# Fix it - COMPLETED", "Fix it", "COMPLETED"),
        ("# Fix it (IMPLEMENTED)", "Fix it", "IMPLEMENTED"),
        ("# [COMPLETED] **Fix** it", "Fix it", "COMPLETED"),
        ("# **IMPLEMENTED** Fix it", "Fix it", "IMPLEMENTED"),
        ("# \N{WHITE HEAVY CHECK MARK} COMPLETED: Fix it", "Fix it", "COMPLETED"),
        ("Fix it COMPLETED\n===\n", "Fix it", "COMPLETED"),
        ("Some words.\n\n## Fix it IMPLEMENTED", "Fix it", "IMPLEMENTED"),
        ("# COMPLETED", "fix.md", "COMPLETED"),
        ("# Fix NOT IMPLEMENTED errors", "Fix NOT IMPLEMENTED errors", ""),
        ("# PARTIALLY IMPLEMENTED", "PARTIALLY IMPLEMENTED", ""),
        ("# To be COMPLETED", "To be COMPLETED", ""),
        ("# Close it when an order is set to COMPLETED", "set to COMPLETED", "-"),
        ("# Show orders as COMPLETED", "orders as COMPLETED", "-"),
        ("# Orders stay COMPLETED after a refund", "stay COMPLETED after", "-"),
        ("# COMPLETED orders are mailed twice", "COMPLETED orders are", "-"),
        ("# **COMPLETED** orders vanish", "COMPLETED orders", "-"),
        ("# Rename DONE to COMPLETED", "DONE to COMPLETED", "-"),
        ("# Swap NEW and COMPLETED", "NEW and COMPLETED", "-"),
        ("# Login | COMPLETED | 2025", "Login | | 2025", "COMPLETED"),
        ("# Fix implemented things", "Fix implemented things", ""),
        ("# UNIMPLEMENTED calls", "UNIMPLEMENTED calls", ""),
        ("# Handle `COMPLETED`", "Handle COMPLETED", ""),
        ("# Handle TaskStatus.COMPLETED", "Handle TaskStatus.COMPLETED", ""),
        ("# Handle STATE_COMPLETED", "Handle STATE_COMPLETED", ""),
        ("# Fix it\n\n| task | NOT IMPLEMENTED |\n\nCOMPLETED", "Fix it", ""),
        ("# Fix it\n\n## COMPLETED", "Fix it", ""),
        ("```\n# COMPLETED\n```\n\n# Fix it", "Fix it", ""),
        ("IMPLEMENTED is a word here.\n\n# Fix it", "Fix it", ""),
    ],
)
def test_the_mark_counts_only_in_the_first_heading(text: str, title: str, mark: str) -> None:
    prompt = read(text)
    assert prompt.completed == mark.strip("-")
    assert title in prompt.title if mark == "-" else prompt.title == title


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# Fix *the* `parser` of [docs](http://x)", "Fix the parser of docs"),
        ("# A &amp; B ##", "A & B"),
        ("#hashtag\n\ntext", "fix.md"),
        ("text only", "fix.md"),
        ("#\n\ntext", "fix.md"),
        ("# a\u202eb\x07c", "a b c"),
    ],
)
def test_the_title_is_the_first_heading_without_markup(text: str, title: str) -> None:
    assert read(text).title == title


def test_a_title_is_one_line_of_bounded_length() -> None:
    title = read("# " + "word " * 100000).title
    assert len(title) <= 120
    assert title.endswith("…")


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("prompts/Fix Types (shared).md", "fix-types-shared"),
        ("prompts/issue-101.md", "issue-101"),
        ("prompts/main.lock.md", "main-lock"),
        ("prompts/../..md", "task"),
        ("--force.md", "force"),
        ("Übung.md", "ubung"),
        ("日本語.md", "task"),
        ("a" * 200 + ".md", "a" * MAX_SLUG),
        ("", "task"),
    ],
)
def test_an_id_is_the_slug_of_the_file_name_and_a_hash(path: str, slug: str) -> None:
    assert re.fullmatch(re.escape(slug) + "-[0-9a-f]{4}", task_id(path))


def test_an_id_is_that_of_the_path_however_it_is_written() -> None:
    assert task_id("./prompts//a.md") == task_id("prompts/a.md")
    assert task_id("prompts/a.md") != task_id("other/a.md")


@given(st.text() | st.text("a./- \\\udcff", max_size=80))
def test_an_id_is_always_safe_as_a_file_name_and_in_a_ref(path: str) -> None:
    assert re.fullmatch(r"[a-z0-9](?:-?[a-z0-9])*-[0-9a-f]{4}", task_id(path))
    assert len(task_id(path)) <= MAX_SLUG + 5


PIECES = ["---", "\n", "title", "needs", "phases", "estimate", ": ", "- ", "[", "]", "{", "&a "]
PIECES += [
    "*a",
    "'",
    '"',
    "\\x41",
    "#",
    " ",
    "1h",
    "lean",
    "COMPLETED",
    "`",
    "!!int",
    "%YAML",
    "<<",
]


@given(st.binary(max_size=200) | st.lists(st.sampled_from(PIECES)).map("".join).map(str.encode))
def test_any_bytes_are_a_prompt_or_a_usage_error(data: bytes) -> None:
    for content in (data, b"---\n" + data + b"\n---\ntext"):
        with contextlib.suppress(UsageError):
            assert parse_prompt(content, path="a.md").title.isprintable()


@pytest.mark.parametrize("piece", ["# ", "> ", "- ", "[", "*a_", "`", "---\n", "\n", "![](", "<a "])
def test_a_mebibyte_of_anything_is_read_to_its_end(piece: str) -> None:
    data = (piece * MAX_BYTES)[:MAX_BYTES].encode()
    with contextlib.suppress(UsageError):
        assert len(parse_prompt(data, path="a.md").title) < len(data)
