from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from concertmaster.github.prompt_list import (
    MAX_PROMPTS,
    PromptList,
    choose_prompts,
    read_paths,
    read_prompt_list,
)

REPOSITORY = "https://github.com/Ada/engine"


def read(body: str) -> PromptList:
    return read_prompt_list(body, repository_url=REPOSITORY)


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ("- prompts/a.md", ["prompts/a.md"]),
        ("* a.md\n* b.md", ["a.md", "b.md"]),
        ("+ a.md", ["a.md"]),
        ("1. a.md\n2. b.md\n3) c.md", ["a.md", "b.md", "c.md"]),
        ("- [ ] a.md\n- [ ] `b.md`\n- [ ] [c](c.md)", ["a.md", "b.md", "c.md"]),
        ("- `prompts/a.md`", ["prompts/a.md"]),
        ("- **prompts/a.md**: first", ["prompts/a.md"]),
        ("- **`a.md`** — the first", ["a.md"]),
        ("- [the login](prompts/login.md)", ["prompts/login.md"]),
        ("- [a.md](./prompts/a.md#top)", ["prompts/a.md"]),
        ("- [x y](<prompts/my login.md>)", ["prompts/my login.md"]),
        ("- [x](prompts/gr%C3%B6%C3%9Fe.md)", ["prompts/größe.md"]),
        (f"- [x]({REPOSITORY}/blob/main/prompts/a.md?plain=1#L3)", ["prompts/a.md"]),
        (f"- {REPOSITORY}/blob/0a1b2c3/prompts/a.md", ["prompts/a.md"]),
        ("- <https://github.com/ada/ENGINE/blob/main/a.md>", ["a.md"]),
        ("- `prompts/my login.md`", ["prompts/my login.md"]),
        ("- ./prompts/a.md", ["prompts/a.md"]),
        ("- prompts/a.md (needs b)", ["prompts/a.md"]),
        ("- prompts/a.md, first", ["prompts/a.md"]),
        ("- (prompts/a.md)", ["prompts/a.md"]),
        ("- prompts/__init__/a_b.md", ["prompts/__init__/a_b.md"]),
        ("- prompts/my\\_file.md", ["prompts/my_file.md"]),
        ("- PROMPT.MD", ["PROMPT.MD"]),
        ("- Phase 1\n  - a.md\n  - b.md", ["a.md", "b.md"]),
        ("- a.md\n\n  More words.\n\n- b.md", ["a.md", "b.md"]),
        ("- a.md <!-- why -->", ["a.md"]),
        ("Text\n\n- a.md\n\n## More\n\n- b.md", ["a.md", "b.md"]),
        ("<details>\n\n- a.md\n\n</details>", ["a.md"]),
        ("Execute these specific prompts in parallel:\n- a.md\n- b.md", ["a.md", "b.md"]),
        ("Execute these specific prompts in parallel:\na.md\n`b.md`\nthanks", ["a.md", "b.md"]),
        ("/agent:x\n\nExecute these prompts:\n\na.md\nb.md\n\nbye\n\nc", ["a.md", "b.md"]),
        ("/orchestrate\r\n\r\n- a.md\r\n- b.md\r\n", ["a.md", "b.md"]),
        ("- fix the login\n- write tests", []),
        ("Read a.md and b.md.", []),
        ("- a.md, b.md", ["a.md", "b.md"]),
        ("- a.md and b.md", ["a.md", "b.md"]),
        ("- `a.md`, `b.md` & c.md.", ["a.md", "b.md", "c.md"]),
        ("- [the login](a.md), b.md", ["a.md", "b.md"]),
        (f"- {REPOSITORY}/blob/main/prompts/a.md#L3-L9", ["prompts/a.md"]),
        (f"- {REPOSITORY}/raw/main/prompts/a.md", ["prompts/a.md"]),
        (f"- [x]({REPOSITORY}/edit/main/prompts/a.md)", ["prompts/a.md"]),
        ("- [x](../blob/main/prompts/a.md)", ["prompts/a.md"]),
        ("- [x](/Ada/engine/blob/main/prompts/a.md)", ["prompts/a.md"]),
        ("- https://raw.githubusercontent.com/Ada/engine/main/prompts/a.md", ["prompts/a.md"]),
        (
            "- https://raw.githubusercontent.com/Ada/engine/refs/heads/main/prompts/a.md",
            ["prompts/a.md"],
        ),
    ],
)
def test_a_list_is_read_in_every_form_that_people_write(body: str, paths: list[str]) -> None:
    found = read(body)

    assert found == PromptList(paths=tuple(paths), is_given=bool(paths))


@pytest.mark.parametrize(
    "hidden",
    [
        "```\n- evil.md\n```",
        "~~~~\n- evil.md\n~~~\n- evil.md",
        "    - evil.md",
        "> - evil.md",
        "> 1. evil.md\n- a.md",
        "<!--\n- evil.md\n-->",
        "<!-- -\n\n- evil.md\n\n-->",
        "<div>\n- evil.md\n</div>",
        "- a.md\n\n      - evil.md",
        "- a.md\n  ```\n  - evil.md\n  ```",
        "[a]: evil.md",
        '- [a.md](a.md "evil.md")',
        "- <!-- evil.md -->",
    ],
)
def test_what_a_reader_does_not_see_as_a_list_is_not_taken(hidden: str) -> None:
    found = read(hidden)

    assert set(found.paths) <= {"a.md"}
    assert found.problems == ()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../../etc/passwd.md", "climbs out"),
        ("prompts/../../a.md", "climbs out"),
        ("prompts/../a.md", "climbs out"),
        ("/etc/passwd.md", "outside the repository"),
        ("~/a.md", "outside the repository"),
        ("~root/a.md", "outside the repository"),
        ("C:/a.md", "outside the repository"),
        ("c:a.md", "outside the repository"),
        ("prompts\\a.md", "backslash"),
        (".git/a.md", "git's own folder"),
        ("x/.GIT/a.md", "git's own folder"),
        (".git./a.md", "git's own folder"),
        (".git /a.md", "git's own folder"),
        ("git~1/a.md", "git's own folder"),
        (".git::$INDEX_ALLOCATION/a.md", "git's own folder"),
        ("a//b.md", "empty part"),
        ("a/./b.md", "empty part"),
        ("prompts/*.md", "pattern"),
        ("prompts/?.md", "pattern"),
        ("-x.md", "like an option"),
        (":(top)a.md", "like an option"),
        ("a\u200b.md", "invisible character"),
        ("a\u202edm.md", "invisible character"),
        ("a\U000e0041.md", "invisible character"),
        ("a\x1b[0m.md", "invisible character"),
        ("a.md,b.md", "several files"),
        ("x" * 500 + ".md", "too long"),
    ],
)
def test_a_path_that_cannot_be_in_the_repository_is_a_problem(path: str, why: str) -> None:
    for body in (f"Prompts:\n- a.md\n- `{path}`", f"Prompts:\n- a.md\n- [x](<{path}>)"):
        if "](" in body and ("\\" in path or "?" in path):
            continue  # these characters have another meaning in an address
        found = read(body)

        (problem,) = found.problems
        assert problem.line == 3
        assert why in problem.why
        assert problem.fix
        assert found.paths == ("a.md",)


def test_a_null_character_never_reaches_a_path() -> None:
    assert "\0" not in "".join(read("- `a\0b.md`\n- c\0.md").paths)


@pytest.mark.parametrize("target", ["%2e%2e/a.md", "x/%2E%2E/a.md", "%2Fetc/a.md", ".git%2Fa.md"])
def test_an_encoded_path_is_judged_as_what_it_means(target: str) -> None:
    assert len(read(f"- [x]({target})").problems) == 1
    assert len(read(f"- {REPOSITORY}/blob/main/../../a.md").problems) == 1


def test_a_link_that_shows_another_file_is_a_problem() -> None:
    (problem,) = read("- [prompts/good.md](prompts/evil.md)").problems

    assert "`prompts/evil.md` stands behind a link that shows `prompts/good.md`" in problem.why
    assert problem.written == "prompts/good.md"


@pytest.mark.parametrize(
    "item",
    [
        "see docs/a.md",
        "**Login**: docs/a.md",
        "[x](https://github.com/other/engine/blob/main/docs/a.md)",
        "https://evil.example/docs/a.md",
        f"{REPOSITORY}-fork/blob/main/docs/a.md",
        f"{REPOSITORY}/tree/main/docs/a.md",
        "[x](//evil.example/docs/a.md)",
        "docs/a.md.bak and docs/a.md.old",
    ],
)
def test_an_item_that_only_mentions_a_file_is_noted_and_not_taken(item: str) -> None:
    found = read(f"- {item}")

    assert (found.paths, found.problems, found.is_given) == ((), (), False)
    assert "docs/a.md" in found.notes[0]
    assert "was not taken" in found.notes[0]


@pytest.mark.parametrize(
    ("line", "name", "why"),
    [
        ("a.md.", "a.md", "no item of a list"),
        ("-prompts/b.md", "prompts/b.md", "no item of a list"),
        ("\u2022 prompts/i.md", "prompts/i.md", "no item of a list"),
        ("\u2013 **prompts/i.md**", "prompts/i.md", "no item of a list"),
        ("\u2022 Login: prompts/i.md", "prompts/i.md", "no item of a list"),
        ("1.prompts/i.md", "1.prompts/i.md", "no item of a list"),
        ("`prompts/i.md`", "prompts/i.md", "no item of a list"),
        ("[login](prompts/i.md)", "prompts/i.md", "no item of a list"),
        ("| task | file |\n|---|---|\n| login | `prompts/l.md` |", "prompts/l.md", "no item"),
        ("- prompts/j.md\n  prompts/k.md", "prompts/k.md", "continues the item above"),
        ("- prompts/j.md\n\n  prompts/k.md", "prompts/k.md", "no item of a list"),
        ("- prompts/j.md (needs prompts/k.md)", "prompts/k.md", "item of its own"),
        ("- prompts/j.md and prompts/k.md stay as they are", "prompts/k.md", "item of its own"),
        ("> - prompts/q.md", "prompts/q.md", "stands in a quote"),
        ("```\n- prompts/c.md\n```", "prompts/c.md", "stands in a code block"),
        ("Text.\n\n    prompts/c.md", "prompts/c.md", "stands in a code block"),
        ("### prompts/h.md", "prompts/h.md", "is a heading"),
        ("<details>\n- prompts/d.md\n</details>", "prompts/d.md", "blank line"),
        ("<ul>\n<li>prompts/d.md</li>\n</ul>", "prompts/d.md", "blank line"),
        ("- prompts/g.markdown", "prompts/g.markdown", "ends in `.md`"),
        ("- prompts/g.txt: the first", "prompts/g.txt", "ends in `.md`"),
        ("- prompts/h", "prompts/h", "ends in `.md`"),
        ("- [ ] T002 [P] prompts/b.md", "prompts/b.md", "begins with the path"),
        ("- [-] prompts/b.md", "prompts/b.md", "begins with the path"),
        ("- #12", "#12", "is an issue"),
        ("- Ada/engine#12", "Ada/engine#12", "is an issue"),
    ],
)
def test_a_line_that_looks_like_an_entry_is_never_dropped_without_a_note(
    line: str, name: str, why: str
) -> None:
    found = read(f"- prompts/first.md\n\n{line}\n")

    told = [note for note in found.notes if f"`{name}` in line" in note]
    assert [why in note for note in told] == [True]
    assert name not in found.paths


@pytest.mark.parametrize(
    "body",
    ["<!--\n- a.md\n-->", "<!-- a.md -->\n- b.md", "See\na.md is the file", "Fix and/or it"],
)
def test_what_nobody_sees_as_an_entry_makes_no_note(body: str) -> None:
    assert all("a.md" not in note or "See" in body for note in read(body).notes)


def test_very_many_notes_are_counted_and_not_shown() -> None:
    notes = read("\n".join(["- see docs/a.md"] * 500)).notes

    assert len(notes) == 101
    assert notes[-1] == "400 more lines of the list were not taken."


FORM = "### Which prompts?\n\n{}\n\n### Anything else?\n\n{}\n"


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (FORM.format("- [X] a.md\n- [ ] b.md", "_No response_"), ["a.md"]),
        (FORM.format("- [X] a.md\n- [ ] b.md\n- [X] c.md", "Soon, please."), ["a.md", "c.md"]),
        (FORM.format("- [ ] a.md\n- [ ] b.md", "_No response_"), []),
        (FORM.format("- [ ] a.md\n- [ ] b.md", "Soon."), ["a.md", "b.md"]),
        (FORM.format("- a.md\n- [X] b.md", "_No response_"), ["a.md"]),
        ("Prompts\n\n- [X] a.md\n- [ ] b.md", ["b.md"]),
        ("### Prompts\n\n- [x] a.md\n- [ ] b.md", ["b.md"]),
        ("# Epic\n\n### Prompts\n\n- [X] a.md\n- [ ] b.md", ["b.md"]),
    ],
)
def test_in_the_answer_of_an_issue_form_the_boxes_choose(body: str, paths: list[str]) -> None:
    found = read(body)

    assert list(found.paths) == paths
    assert found.problems == ()
    told = " ".join(found.notes)
    assert all(name in told for name in ("a.md", "b.md") if name not in paths)


def test_a_box_that_may_mean_two_things_starts_nothing() -> None:
    (problem,) = read(FORM.format("- [X] a.md\n- [x] b.md", "_No response_")).problems

    assert "`b.md` has [x]" in problem.why


@pytest.mark.parametrize(
    "item", ["[x] b.md", "[X] `b.md`", "[x] [b](b.md)", "~~b.md~~", "[ ] ~~`b.md`~~"]
)
def test_an_item_that_is_ticked_or_struck_out_is_skipped_with_a_note(item: str) -> None:
    found = read(f"- a.md\n- {item}")

    assert found.paths == ("a.md",)
    assert found.notes == ("`b.md` is ticked or struck out, and was skipped.",)


@pytest.mark.parametrize("other", ["a.md", "./a.md", "A.md", "a.MD", "[x](a.md)"])
def test_a_file_that_is_listed_twice_runs_once(other: str) -> None:
    found = read(f"- a.md\n- {other}")

    assert found.paths == ("a.md",)
    assert "runs once" in found.notes[0]


def test_one_name_in_two_compositions_of_letters_is_one_file() -> None:
    assert len(read("- gr\u00f6\u00dfe.md\n- gro\u0308\u00dfe.md").paths) == 1


def test_more_prompts_than_a_matrix_has_jobs_are_a_problem() -> None:
    items = [f"- prompts/{n}.md" for n in range(MAX_PROMPTS + 1)]

    assert read("\n".join(items[:-1])).problems == ()
    (problem,) = read("\n".join(items)).problems
    assert problem.line == MAX_PROMPTS + 1
    assert "more than 256" in problem.why


def test_the_list_comes_from_the_comment_or_else_from_the_issue() -> None:
    issue = "Issue\n- a.md"

    assert choose_prompts("/orchestrate", issue).paths == ("a.md",)
    assert choose_prompts("/orchestrate\n- b.md", issue).paths == ("b.md",)
    assert choose_prompts("/orchestrate\n- see b.md", issue).paths == ("a.md",)
    assert choose_prompts("/orchestrate\n- [x] b.md", issue).paths == ()
    assert choose_prompts("/orchestrate\n- ../b.md", issue).paths == ()
    assert choose_prompts("/orchestrate\n> - b.md", issue).paths == ("a.md",)


def test_paths_of_an_input_are_judged_alike() -> None:
    found = read_paths(["a.md", "./A.md", "../b.md", "c.txt", ""])

    assert found.paths == ("a.md",)
    assert [problem.line for problem in found.problems] == [3, 4, 5]


@pytest.mark.matrix
@pytest.mark.parametrize(
    "piece", ["- a.md\n", "- [", "[a](", "- `", "<!--", "> - ", "a.md.", ".md", "\\"]
)
def test_a_hostile_list_is_read_to_its_end(piece: str) -> None:
    found = read((piece * 65_536)[:65_536])

    assert len(found.paths) <= 1


pieces = st.sampled_from(
    [
        *(
            "- ",
            "\n",
            "\n- ",
            "1. ",
            "[ ] ",
            "[x] ",
            "~~",
            "`",
            "](",
            "[",
            ")",
            "<",
            ">",
            "```",
            "<!--",
        ),
        *(
            "a.md",
            "../",
            "/",
            "\\",
            ".git/",
            "%2e",
            "\u200b",
            "\0",
            "https://",
            REPOSITORY,
            "/blob/x/",
        ),
        *("prompts/", "Execute these prompts:\n", "    ", "A.MD", "*", "&#46;"),
    ]
)


@given(st.lists(pieces | st.text(max_size=4), max_size=25).map("".join))
@example("- \U0002ebe1a.md")
def test_every_path_that_is_taken_lies_in_the_repository(body: str) -> None:
    found = read(body)

    for path in found.paths:
        parts = path.lower().split("/")
        assert not {"", ".", "..", ".git"} & set(parts)
        # Characters that are newer than this Python's Unicode tables have no known category.
        assert all(c.isprintable() or unicodedata.category(c) == "Cn" for c in path)
        assert path.lower().endswith(".md")
        assert not path.startswith(("~", "-"))
        assert "\\" not in path
    assert len({path.casefold() for path in found.paths}) == len(found.paths)
    assert all(problem.why and problem.fix for problem in found.problems)
