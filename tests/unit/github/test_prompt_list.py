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
        ("/agent:x\n\nExecute these prompts:\n\na.md\nb.md\n\nbye\n\nc.md", ["a.md", "b.md"]),
        ("/orchestrate\r\n\r\n- a.md\r\n- b.md\r\n", ["a.md", "b.md"]),
        ("- fix the login\n- write tests", []),
        ("Read a.md and b.md.", []),
        ("a.md\nb.md", []),
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
