"""`concertmaster split` writes the prompt files of a good answer and refuses bad ones."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from tests.commandline import concertmaster, fingerprint, fit_schema
from tests.integration.cli.split_desk import GOOD, LEXER, LIST, PARSER, WRITTEN, Desk

WHOLE = {"pieces": [], "whole": "both change one function"}


def test_a_list_becomes_prompt_files_that_the_plan_orders_by_their_needs(desk: Desk) -> None:
    desk.answer(GOOD)

    done = desk.split("--yes")

    assert done.code == 0, done.err
    assert desk.new_files == WRITTEN
    assert (desk.project.root / "prompts/list.md").read_text() == LIST
    assert "concertmaster run prompts/list/lexer.md prompts/list/parser.md" in done.out
    assert LIST in (desk.folder / "asked").read_text()
    assert desk.traces == []
    planned = concertmaster(
        "plan", *WRITTEN, "--check", "true", "--json", cwd=desk.project.root
    ).document
    (need,) = planned["needs"]
    assert (need["task"][:7], need["on"][:6], need["hard"]) == ("parser-", "lexer-", True)
    assert [task["title"] for task in planned["tasks"]] == ["Write the lexer", "The parser"]


def test_without_a_terminal_or_yes_the_files_are_shown_and_not_written(desk: Desk) -> None:
    desk.answer(GOOD)

    done = desk.split()

    assert done.code == 0, done.err
    for shown in (*WRITTEN, "title: Write the lexer", "- lexer.md", "The lexer.", "On top."):
        assert shown in done.out
    assert "nothing was written: nobody can be asked here; --yes" in done.out
    assert desk.new_files == []


def test_the_document_holds_the_drafts_and_writes_them_only_with_yes(desk: Desk) -> None:
    desk.answer(GOOD)

    shown = desk.split("--json").document

    assert shown["written"] is False
    assert desk.new_files == []
    written = desk.split("--json", "--yes", "--into", "new/place").document
    fit_schema("split", written)
    assert written["written"] is True
    assert desk.new_files == ["new/place/lexer.md", "new/place/parser.md"]
    for draft in written["drafts"]:
        assert (desk.project.root / draft["path"]).read_text() == draft["content"]
    assert [draft["needs"] for draft in written["drafts"]] == [[], ["lexer.md"]]
    assert written["command"] == "concertmaster run new/place/lexer.md new/place/parser.md"
    assert written["usage"]["cost_usd"] is None


def test_the_command_for_many_files_can_be_copied_whole(desk: Desk) -> None:
    names = [f"a-piece-with-a-long-name-{number}" for number in range(50)]
    desk.answer({"pieces": [{**LEXER, "name": name} for name in names]})

    told = desk.split("--yes", "--into", "my prompts", "--repo", ".").out

    command = told.partition("instead of it:\n")[2].replace("\\\n", " ")
    files = [f"my prompts/{name}.md" for name in names]
    assert shlex.split(command) == ["concertmaster", "run", *files]


def test_a_prompt_that_is_one_task_stays_whole_and_says_why(desk: Desk) -> None:
    desk.answer(WHOLE)

    done = desk.split("--yes")

    assert done.code == 0, done.err
    assert "prompts/list.md stays one task: both change one function" in done.out
    assert desk.new_files == []
    assert desk.split("--json").document["whole"] == "both change one function"


def test_an_answer_that_cannot_be_read_is_asked_for_once_more(desk: Desk) -> None:
    desk.answer("I would make two files of it.", GOOD)

    done = desk.split("--yes")

    assert done.code == 0, done.err
    assert desk.turns == 2
    asked = (desk.folder / "asked").read_text()
    assert "cannot be read: it holds no JSON object with pieces" in asked
    assert LIST in asked, "without a session it is told all again"
    assert desk.new_files == WRITTEN


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("Two files: lexer.md and parser.md.", "no JSON object with pieces"),
        (f"```json\n{json.dumps(GOOD)[:-3]}\n```", "no JSON object with pieces"),
        ({"pieces": [{**LEXER, "name": "../../lexer"}, PARSER]}, "is no name"),
        ({"pieces": [{**LEXER, "name": "/tmp/lexer"}, PARSER]}, "is no name"),
        ({"pieces": [LEXER, LEXER]}, "two pieces have the name lexer"),
        ({"pieces": [{**LEXER, "needs": ["parser"]}, PARSER]}, "circle"),
        ({"pieces": [LEXER]}, "1 piece, not 2"),
        ({**GOOD, "whole": "or not"}, "a reason why there are none"),
    ],
    ids=["prose", "broken", "climbs", "absolute", "twice", "circle", "one", "both"],
)
def test_an_answer_that_cannot_be_read_twice_is_a_clear_error_and_writes_nothing(
    desk: Desk, answer: Any, problem: str
) -> None:
    desk.answer(answer)
    before = fingerprint(desk.project.root.parent)

    done = desk.split("--yes")

    assert done.code == 1
    assert desk.turns == 2
    assert "error: the agent did not split prompts/list.md" in done.err
    assert problem in done.err
    assert "nothing was written" in done.err
    assert desk.traces == []
    after = fingerprint(desk.project.root.parent)
    mine = f"{desk.folder.name}/"
    assert {k: v for k, v in after.items() if not k.startswith(mine)} == {
        k: v for k, v in before.items() if not k.startswith(mine)
    }


def test_a_file_that_is_there_is_never_written_over(desk: Desk) -> None:
    desk.answer(GOOD)
    desk.project.commit("Own", {"prompts/list/parser.md": "# Mine\n"})

    done = desk.split("--yes")

    assert done.code == 2
    assert "prompts/list/parser.md exists already" in done.err
    assert desk.new_files == []
    assert (desk.project.root / "prompts/list/parser.md").read_text() == "# Mine\n"
    document = desk.split("--yes", "--json")
    assert document.code == 2
    assert document.document["written"] is False
    assert len(document.document["drafts"]) == 2, "what was paid for is not lost"


def test_an_agent_that_fails_is_a_clear_error(desk: Desk) -> None:
    desk.answer(GOOD, script="echo out of order >&2; exit 7")

    done = desk.split("--yes")

    assert done.code == 1
    assert "exit 7: out of order" in done.err
    assert (desk.new_files, desk.traces) == ([], [])


def test_what_a_hostile_agent_says_does_not_steer_the_terminal(desk: Desk) -> None:
    hostile = {
        **LEXER,
        "title": "a\x1b[2Jb\u202ec",
        "text": "\x1b]0;t\x07x\n\x1b[1A\u200bhid\r\x00",
    }
    desk.answer({"pieces": [hostile, PARSER]})

    shown = desk.split("--yes").out

    assert all(c == "\n" or c.isprintable() for c in shown.replace("\ufffd", ""))
    content = (desk.project.root / WRITTEN[0]).read_text()
    assert all(line in shown for line in content.split("\n"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("# Done (IMPLEMENTED)\n\nAll.\n", "is marked IMPLEMENTED"),
        ("---\nneed: x\n---\nDo.\n", "unknown key"),
        ("word " * 10_000, "too long to be split"),
        ("", "it is empty"),
    ],
)
def test_a_prompt_that_cannot_be_split_is_refused_before_an_agent_starts(
    desk: Desk, content: str, problem: str
) -> None:
    desk.answer(GOOD)
    desk.project.write({"prompts/list.md": content})

    done = desk.split("--yes")

    assert done.code == 2
    assert problem in done.err
    assert desk.turns == 0


def test_what_cannot_go_well_is_refused_before_an_agent_starts(desk: Desk) -> None:
    desk.answer(GOOD)
    for arguments in (("--into", "a.txt/below"), ("--base", "nowhere"), ("--timeout", "soon")):
        assert desk.split("--yes", *arguments).code == 2
    assert concertmaster("split", "gone.md", *desk.command, cwd=desk.project.root).code == 2
    assert concertmaster("split", "prompts", *desk.command, cwd=desk.project.root).code == 2
    nobody = concertmaster(
        *("split", "prompts/list.md", "--agent", "claude"),
        cwd=desk.project.root,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert (nobody.code, "the program `claude` is not on PATH" in nobody.err) == (3, True)
    assert desk.turns == 0


def test_settings_at_the_top_of_the_prompt_are_named_since_no_piece_has_them(desk: Desk) -> None:
    desk.answer(GOOD)
    desk.project.write({"prompts/list.md": f"---\ncheck: pytest\npriority: 3\n---\n{LIST}"})
    assert "left at the top of prompts/list.md: check, priority" in desk.split().out


def test_a_repository_says_it_in_its_own_words(desk: Desk) -> None:
    desk.answer(GOOD)
    desk.project.commit("Words", {".github/concertmaster/phases/split.md": "Ours: $text"})
    assert desk.split("--yes").code == 0
    assert (desk.folder / "asked").read_text() == f"Ours: {LIST}"
