from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.insight.mentions import (
    MAX_MENTIONS,
    Mention,
    MentionPlace,
    MentionVerb,
    find_mentions,
)
from concertmaster.insight.path_spelling import WordKind
from tests.conftest import in_matrix


def paths(text: str) -> list[str]:
    return [mention.path for mention in find_mentions(text)]


def only(text: str) -> Mention:
    (mention,) = find_mentions(text)
    return mention


@pytest.mark.parametrize(
    ("text", "named"),
    [
        # the forms of real prompts
        (
            "- tests/shared/test_task_tracking.py (207 errors)",
            ["tests/shared/test_task_tracking.py"],
        ),
        ("1. Start with test_task_tracking.py as it fails", ["test_task_tracking.py"]),
        (
            "- `.claude/orchestrator/container_manager.py` - Docker management",
            [".claude/orchestrator/container_manager.py"],
        ),
        ("- `.claude/orchestrator/docker/Dockerfile`", [".claude/orchestrator/docker/Dockerfile"]),
        ("Change Dockerfile and the Makefile.", ["Dockerfile", "Makefile"]),
        ("See Dockerfile.dev", ["Dockerfile.dev"]),
        ("- Prompt: `integrate-memory.md`", ["integrate-memory.md"]),
        ("/prompts/setup-container.md", ["prompts/setup-container.md"]),
        ("# .claude/shared/base_classes.py", [".claude/shared/base_classes.py"]),
        ("mkdir .claude/shared/{hooks,utils}", [".claude/shared/hooks", ".claude/shared/utils"]),
        ("- [ ] src/a.py", ["src/a.py"]),
        # emphasis, punctuation, brackets, quotes
        ("**src/a.py**: it", ["src/a.py"]),
        ("**Modify src/a.py**:", ["src/a.py"]),
        ("- *`context.go`*", ["context.go"]),
        ("_src/a.py_", ["src/a.py"]),
        ("`__init__.py` and tests/__init__.py", ["__init__.py", "tests/__init__.py"]),
        ("(see a.py), a/b.py; c.py! d.py?", ["a.py", "a/b.py", "c.py", "d.py"]),
        ("src/a.py's tests", ["src/a.py"]),
        ("\"src/a.py\" 'src/b.py' <src/c.py>", ["src/a.py", "src/b.py", "src/c.py"]),
        ("a.py,b.py|c.py", ["a.py", "b.py", "c.py"]),
        ("| `a.py` | b.py |", ["a.py", "b.py"]),
        ("src/{a,b}.py", ["src/a.py", "src/b.py"]),
        ("[the client](src/client.py)", ["src/client.py"]),
        ("[a.py](docs/b.md#part)", ["a.py", "docs/b.md"]),
        ("@docs/rules.md", ["docs/rules.md"]),
        ("pytest --cov=src/a.py tests/test_a.py::TestA::test_b", ["src/a.py", "tests/test_a.py"]),
        ("`mux.go#routeHTTP`", ["mux.go"]),
        ("File:src/a.py", ["src/a.py"]),
        ("./a.py", ["a.py"]),
        ("`app/[id]/(group)/page.tsx`", ["app/[id]/(group)/page.tsx"]),
        (".gitignore, `.env` and .github/CODEOWNERS", [".gitignore", ".env", ".github/CODEOWNERS"]),
        (r"packages\aiohttp\client.py", ["packages/aiohttp/client.py"]),
        # no paths
        ("Python 3.11, e.g. and/or 1/2, i.e. v1.2.3, N/A, 24/7/365, CI/CD, HTTP/1.1.", []),
        ("os.path self.x TaskStatus.COMPLETED subprocess.Popen(x) a@b.com foo... etc.", []),
        ("the .py and `.md` endings, *args, **kwargs, 2 * 3 / 4", []),
        ("/agent:workflow-manager, /orchestrate, -x, --flag, read/write", []),
        ("https://example.com/docs/x.py and http://a.io/b.md", []),
        ("Dockerfiles are Makefile-like", []),
        (r"\n \t \\ / // ./ ../ . ..", []),
    ],
)
def test_a_path_is_found_in_every_form_that_people_write(text: str, named: list[str]) -> None:
    assert paths(text) == named


@pytest.mark.parametrize(
    ("text", "path", "kind"),
    [
        ("src/a.py", "src/a.py", WordKind.FILE),
        ("`dashboard/`", "dashboard", WordKind.DIRECTORY),
        ("the dashboard/ folder", "dashboard", WordKind.DIRECTORY),
        ("`src/core`", "src/core", WordKind.DIRECTORY),
        ("src/core/graph", "src/core/graph", WordKind.DIRECTORY),
        (".claude/agents", ".claude/agents", WordKind.DIRECTORY),
        ("src/orchestrator/*.py", "src/orchestrator/*.py", WordKind.GLOB),
        ("`**/*.md`", "**/*.md", WordKind.GLOB),
        ("test_*.py", "test_*.py", WordKind.GLOB),
        ("tests/*", "tests/*", WordKind.GLOB),
        ("`src/**`", "src/**", WordKind.GLOB),
    ],
)
def test_files_directories_and_globs_are_told_apart(text: str, path: str, kind: WordKind) -> None:
    assert (only(text).path, only(text).kind) == (path, kind)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/workspaces/gadugi/src/a.py", "workspaces/gadugi/src/a.py"),
        ("`/Users/ryan/src/gadugi/a.md`", "Users/ryan/src/gadugi/a.md"),
        ("C:\\work\\src\\a.py", "work/src/a.py"),
        ("D:/code/a.py", "code/a.py"),
        ("~/src/a.py", "src/a.py"),
        ("$HOME/src/a.py", "src/a.py"),
        ("../../shared/a.py", "shared/a.py"),
        ("https://github.com/o/r/blob/main/src/a.py", "main/src/a.py"),
        ("https://github.com/o/r/blob/v1/a%20b/c.py", ""),
        ("[x](https://github.com/o/r/blob/main/src/a.py#L3)", "main/src/a.py"),
        ("https://gitlab.com/o/r/-/blob/main/src/a.py", "main/src/a.py"),
    ],
)
def test_a_path_of_another_place_is_foreign(text: str, path: str) -> None:
    assert [(m.path, m.foreign) for m in find_mentions(text)] == ([(path, True)] if path else [])


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("src/a.py:12", (12, 12)),
        ("`src/a.py:12-20`", (12, 20)),
        ("src/a.py:12:5", (12, 12)),
        ("src/a.py:12: error", (12, 12)),
        ("src/a.py#L3-L9", (3, 9)),
        ("C:\\src\\a.py:12", (12, 12)),
        ("`src/a.py` (lines 12-20)", (12, 20)),
        ("src/a.py, line 7", (7, 7)),
        ("src/a.py lines 7 - 9", (7, 9)),
        ("https://github.com/o/r/blob/main/a.py#L1-L4", (1, 4)),
        ("src/a.py:0", None),
        ("src/a.py:20-12", None),
        ("src/a.py::test_12", None),
        ("src/a.py (207 errors)", None),
    ],
)
def test_the_lines_of_a_path_are_read(text: str, lines: tuple[int, int] | None) -> None:
    assert only(text).lines == lines


@pytest.mark.parametrize("arrow", ["→", "->", "=>", " → ", " -> ", " ➜ ", "` → `", "` -> `"])
def test_the_target_of_an_arrow_is_created(arrow: str) -> None:
    old, new = find_mentions(f"- `a.py{arrow}scripts/a.py`")
    assert (old.path, new.path, new.verb) == ("a.py", "scripts/a.py", MentionVerb.CREATE)


def test_a_file_that_moves_to_a_directory_keeps_its_name() -> None:
    assert paths("Move setup.py to scripts/") == ["setup.py", "scripts/setup.py"]


TRACEBACK = """It fails:

```
Traceback (most recent call last):
  File "packages/aiohttp/client.py", line 12, in get
    open("data.json")
panic in /home/x/chi/mux.go:405 +0x2c5
    at run (src/index.js:10:5)
```

Look at src/a.py.
"""


def test_fences_and_tracebacks_are_told_from_text() -> None:
    assert [(m.path, m.place, m.line, m.lines) for m in find_mentions(TRACEBACK)] == [
        ("packages/aiohttp/client.py", MentionPlace.TRACE, 5, (12, 12)),
        ("data.json", MentionPlace.FENCE, 6, None),
        ("home/x/chi/mux.go", MentionPlace.TRACE, 7, (405, 405)),
        ("src/index.js", MentionPlace.TRACE, 8, (10, 10)),
        ("src/a.py", MentionPlace.TEXT, 11, None),
    ]


@pytest.mark.parametrize(
    ("fence", "inside"),
    [
        ("```\n{}\n```", True),
        ("~~~py\n{}\n~~~", True),
        ("````\n```\n{}\n````", True),
        ("   ```\n   {}\n   ```", True),
        ("- ```\n  {}\n  ```", True),
        ("```\n{}", True),
        ("```\nx\n```\n{}", False),
        ("```inline``` code\n{}", False),
        ("```\n~~~\n```\n{}", False),
    ],
)
def test_a_fence_ends_where_markdown_says(fence: str, inside: bool) -> None:
    assert only(fence.format("src/a.py")).place is (
        MentionPlace.FENCE if inside else MentionPlace.TEXT
    )


LISTED = """# Fix the orchestrator

## Files to Create/Modify

### New Files
- `.claude/x/manager.py` - Docker management

### Files to Modify
- `.claude/x/main.py` - Create nothing
```
# src/in_code.py
```

### 1. Core
- core.py

## Context
`elsewhere.py`

**Files Modified**:

- `go.mod`

A paragraph on last.py
"""


def test_the_heading_above_says_what_is_asked_but_not_the_title() -> None:
    assert [(m.path, m.verb, m.heading) for m in find_mentions(LISTED)] == [
        (".claude/x/manager.py", MentionVerb.CREATE, "New Files"),
        (".claude/x/main.py", MentionVerb.MODIFY, "Files to Modify"),
        ("src/in_code.py", MentionVerb.MODIFY, "Files to Modify"),
        ("core.py", MentionVerb.CREATE, "1. Core"),
        ("elsewhere.py", MentionVerb.NONE, "Context"),
        ("go.mod", MentionVerb.MODIFY, "Files Modified"),
        ("last.py", MentionVerb.NONE, "Context"),
    ]


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("Create `a.py`", MentionVerb.CREATE),
        ("Add the handler to `a.py`", MentionVerb.CREATE),
        ("- `a.py` (new)", MentionVerb.CREATE),
        ("- `a.py` - NEW file", MentionVerb.CREATE),
        ("Update `a.py`", MentionVerb.MODIFY),
        ("Fix all errors in a.py", MentionVerb.MODIFY),
        ("Follow the style, like a.py", MentionVerb.READ),
        ("See a.py", MentionVerb.READ),
        ("Update it, see a.py", MentionVerb.READ),
        ("Do not modify `a.py`", MentionVerb.SPARE),
        ("Do not touch the rest. Only a.py", MentionVerb.NONE),
        ("Do not touch anything but a.py", MentionVerb.NONE),
        ("Look at the docs for how, but write it in a.py", MentionVerb.CREATE),
        ("Look at a.py for how", MentionVerb.READ),
        ("don't touch a.py", MentionVerb.SPARE),
        ("without changing a.py", MentionVerb.SPARE),
        ("The file a.py", MentionVerb.NONE),
        ("see.py is like create/new.py: `a.py`", MentionVerb.READ),
    ],
)
def test_the_nearest_words_before_a_path_say_what_is_asked(text: str, verb: MentionVerb) -> None:
    assert find_mentions(text)[-1].verb is verb


def test_mentions_stand_in_the_order_of_the_text() -> None:
    text = "Create new.py, see https://github.com/o/r/blob/main/a.py, update z.py"
    assert [(m.path, m.verb) for m in find_mentions(text)] == [
        ("new.py", MentionVerb.CREATE),
        ("main/a.py", MentionVerb.READ),
        ("z.py", MentionVerb.MODIFY),
    ]


def test_a_heading_is_quoted_without_control_characters() -> None:
    assert only("## Files\x1b[31m\n- a.py").heading == "Files[31m"


def test_a_verb_in_the_name_of_a_file_asks_for_nothing() -> None:
    assert {m.verb for m in find_mentions("create.py update/new.md `a.py`")} == {MentionVerb.NONE}


@given(st.text() | st.text("ab./\\*`[](){}#:-→>~@$,\n \"'0", max_size=80))
def test_any_text_names_only_clean_relative_paths(text: str) -> None:
    for mention in find_mentions(text):
        segments = mention.path.split("/")
        assert not {"", ".", ".."} & set(segments)
        assert 1 <= mention.line <= text.count("\n") + 1


PIECES = ["a", ".", "/", "`", "a.py ", "[", "(", "{a,b}", "# ", "**", "- ", "\\", "http://", "a.b/"]
PIECES += [
    "create ",
    "not modify ",
    '"',
    "*/",
    "%s/x ",
    "1:\n",
    'File "',
    ":12",
    "../",
    "C:/",
    "{,",
]
PIECES += ["**a.py** ", "x.py → ", "https://a/b/c/blob/", "``` ", "```\n", "a:", "_a", "line 1"]
# One for each form that is searched for: words, files, folders, code, links, braces and quotes.
COSTLY = ["a", "a.py ", "../", "`", "https://a/b/c/blob/", "{,", 'File "']


@pytest.mark.matrix
@pytest.mark.parametrize("piece", [*COSTLY, *in_matrix(sorted({*PIECES} - {*COSTLY}))])
def test_a_mebibyte_of_anything_is_searched_to_its_end(piece: str) -> None:
    for text in (piece * (1 << 20), (piece + "\n") * (1 << 19)):
        assert len(find_mentions(text[: 1 << 20])) <= MAX_MENTIONS


def test_a_mebibyte_of_noise_is_searched_to_its_end() -> None:
    text = "".join(random.Random(1).choices("ab./\\*`[](){}#:-→>~@$,\n \"'0", k=1 << 20))
    assert len(find_mentions(text)) <= MAX_MENTIONS
