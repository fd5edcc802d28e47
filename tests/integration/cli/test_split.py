"""`concertmaster split`: prompt files from a list of tasks, shown first, and nothing else left."""

from __future__ import annotations

import json
import os
import pty
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agents.endpoint import Endpoint, Fault, Reply, Say, Use, prompt_of, tool_results_of
from tests.commandline import Done, concertmaster, fingerprint
from tests.conftest import Project

pytest_plugins = ["tests.agents.fixtures"]

LIST = "# Two things\n\n1. Write the lexer.\n2. Write the parser on top of it.\n"
LEXER = {"name": "lexer", "title": "Write the lexer", "text": "The lexer.", "needs": []}
PARSER = {"name": "parser", "title": "The parser", "text": "On top.", "needs": ["lexer"]}
GOOD = {"pieces": [LEXER, PARSER], "whole": ""}
SCHEMED: dict[str, Any] = {  # an agent that is held to the schema gives all of it
    "pieces": [{**LEXER, "touches": []}, {**PARSER, "touches": ["parser.py"]}],
    "whole": "",
}
WHOLE = {"pieces": [], "whole": "both change one function"}
WRITTEN = ["prompts/list/lexer.md", "prompts/list/parser.md"]
# Whoever leads a session gets the first terminal that it opens as its own, and so its Ctrl-C.
AS_TERMINAL = """
import os, runpy
os.close(os.open(os.ttyname(0), os.O_RDWR))
runpy.run_module("concertmaster", run_name="__main__", alter_sys=True)
"""
PATIENCE_SECONDS = 60
INTERRUPT = "\x03"


class Desk:
    """A project with a prompt that is a list, and a scripted agent that answers in turn."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.project = project
        self.folder = folder
        self.folder.mkdir()
        project.commit("A list", {"prompts/list.md": LIST})

    def answer(self, *answers: Any, script: str = "") -> None:
        """Objects become JSON, texts are said as they are; the last one is repeated."""
        for number, one in enumerate(answers, 1):
            text = one if isinstance(one, str) else f"```json\n{json.dumps(one)}\n```\n"
            (self.folder / f"answer-{number}").write_text(text, encoding="utf-8")
        (self.folder / "agent.sh").write_text(
            f"cd_to={shlex.quote(str(self.folder))}\n"
            'cat > "$cd_to/asked"; echo x >> "$cd_to/turns"\n'
            f"{script}\n"
            'turn=$(grep -c x "$cd_to/turns")\n'
            f'test "$turn" -le {len(answers)} || turn={len(answers)}\n'
            'cat "$cd_to/answer-$turn"\n'
        )

    @property
    def command(self) -> tuple[str, ...]:
        return ("--agent-command", f"sh {shlex.quote(str(self.folder / 'agent.sh'))}")

    def split(self, *arguments: str) -> Done:
        return concertmaster(
            "split", "prompts/list.md", *self.command, *arguments, cwd=self.project.root
        )

    @property
    def turns(self) -> int:
        file = self.folder / "turns"
        return len(file.read_text().split()) if file.exists() else 0

    @property
    def new_files(self) -> list[str]:
        """Of the project; also what git ignores."""
        words = self.project.git("status", "--porcelain", "--untracked-files=all", "--ignored")
        return [line[3:] for line in words.splitlines()]

    @property
    def traces(self) -> list[str]:
        """All that is left of a splitting besides its files."""
        cache = Path.home() / ".cache" / "concertmaster" / "attempts"
        places = [*cache.glob("*"), *(self.project.root / ".git" / "concertmaster").glob("*")]
        refs = self.project.git("for-each-ref", "--format=%(refname)").split()
        return [*map(str, places), *(ref for ref in refs if ref != "refs/heads/main")]


@pytest.fixture
def desk(project: Project, tmp_path: Path) -> Desk:
    return Desk(project, tmp_path / "desk")


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


def test_what_the_agent_changes_is_thrown_away(desk: Desk) -> None:
    desk.answer(GOOD, script="echo mine > a.txt; rm b.txt; mkdir -m 0 locked; git commit -qam x")

    assert desk.split("--yes").code == 0
    assert desk.new_files == WRITTEN
    assert (desk.project.root / "a.txt").read_text() == "a\n"
    assert desk.project.git("log", "--format=%s").split("\n")[0] == "A list"
    assert desk.traces == []


def test_an_agent_that_fails_is_a_clear_error(desk: Desk) -> None:
    desk.answer(GOOD, script="echo out of order >&2; exit 7")

    done = desk.split("--yes")

    assert done.code == 1
    assert "exit 7: out of order" in done.err
    assert (desk.new_files, desk.traces) == ([], [])


def wait_for_agent(desk: Desk) -> tuple[subprocess.Popen[str], int]:
    """A splitting whose agent works and does not end, and the agent's process."""
    desk.answer(GOOD, script='echo $$ > "$cd_to/agent.pid"; exec sleep 300')
    process = subprocess.Popen(
        [sys.executable, "-m", "concertmaster", "split", "prompts/list.md", *desk.command],
        cwd=desk.project.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    file = desk.folder / "agent.pid"
    await_condition(lambda: file.exists() and file.read_text().endswith("\n"))
    return process, int(file.read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whoever_interrupts_it_finds_nothing_left(desk: Desk, number: signal.Signals) -> None:
    process, agent = wait_for_agent(desk)

    process.send_signal(number)
    _, told = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 130
    assert "nothing was written" in told
    assert (desk.new_files, desk.traces) == ([], [])
    assert not is_alive(agent)


def test_what_a_killed_one_leaves_goes_with_the_next_and_nobody_elses_does(desk: Desk) -> None:
    going_on, _ = wait_for_agent(desk)
    (kept,) = desk.traces
    (desk.folder / "agent.pid").unlink()
    killed, agent = wait_for_agent(desk)
    killed.kill()
    killed.communicate(timeout=PATIENCE_SECONDS)
    await_condition(lambda: not is_alive(agent))
    assert len(desk.traces) == 2
    desk.answer(GOOD)

    assert desk.split("--yes").code == 0

    assert desk.traces == [kept]
    going_on.terminate()
    going_on.communicate(timeout=PATIENCE_SECONDS)
    assert desk.traces == []


@pytest.mark.parametrize(
    ("reply", "written", "code"),
    [("y\n", WRITTEN, 0), ("n\n", [], 0), ("\n", [], 0), (INTERRUPT, [], 130)],
)
def test_on_a_terminal_it_shows_all_and_asks(
    desk: Desk, reply: str, written: list[str], code: int
) -> None:
    desk.answer(GOOD)

    ended, shown = on_terminal(desk, reply=reply)

    question = shown.index("write these files?")
    assert -1 < shown.index("On top.") < question
    assert ("wrote 2 files to prompts/list" in shown[question:]) is bool(written)
    assert ended == code
    assert (desk.new_files, desk.traces) == (written, [])


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
    assert (nobody.code, "looked for claude" in nobody.err) == (3, True)
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


# --- the real agent ------------------------------------------------------------------------------


def real(desk: Desk, endpoint: Endpoint, program: Path, home: Path, *arguments: str) -> Done:
    environment = endpoint.environment(home)
    environment["PATH"] = f"{program.parent}:{environment['PATH']}"
    return concertmaster(
        "split", "prompts/list.md", *arguments, cwd=desk.project.root, env=environment
    )


@pytest.mark.claude
def test_the_real_agent_splits_after_a_look_round_and_cannot_write(
    desk: Desk, endpoint: Endpoint, claude_program: Path, tmp_path: Path
) -> None:
    def script(body: dict[str, Any]) -> Reply:
        steps: list[Reply] = [
            Use("Read", {"file_path": "a.txt"}),
            Use("Write", {"file_path": "junk.txt", "content": "junk"}),
            Use("StructuredOutput", SCHEMED),
        ]
        return [*steps, Say("Done.")][min(len(tool_results_of(body)), 3)]

    endpoint.script = script

    done = real(desk, endpoint, claude_program, tmp_path / "home", "--yes", "--json")

    assert done.code == 0, done.out + done.err
    assert desk.new_files == WRITTEN
    assert done.document["drafts"][1]["touches"] == ["parser.py"]
    assert done.document["usage"]["cost_usd"] > 0
    assert LIST in prompt_of(endpoint.turns[0])
    told = real(desk, endpoint, claude_program, tmp_path / "home", "--into", "again")
    assert "cost: $" in told.out
    assert "tokens: " in told.out


@pytest.mark.claude
def test_the_real_agent_is_asked_once_more_in_the_same_conversation(
    desk: Desk, endpoint: Endpoint, claude_program: Path, tmp_path: Path
) -> None:
    told: list[str] = []

    def script(body: dict[str, Any]) -> Reply:
        # A resumed conversation has the new prompt in one message with what the tool said last.
        told.append(str(body["messages"][-1]["content"]))
        if "cannot be read" in told[-1]:
            return Use("StructuredOutput", SCHEMED)
        if len(told) > 1:
            return Say("Done.")
        climbing = [{**piece, "name": f"../{piece['name']}"} for piece in SCHEMED["pieces"]]
        return Use("StructuredOutput", {**SCHEMED, "pieces": climbing})

    endpoint.script = script

    done = real(desk, endpoint, claude_program, tmp_path / "home", "--yes")

    assert done.code == 0, done.out + done.err
    assert desk.new_files == WRITTEN
    (again,) = {words for words in told if "cannot be read" in words}
    assert "../lexer" in again
    assert "Write the parser on top of it" not in again


@pytest.mark.claude
def test_a_usage_limit_is_told_as_one(
    desk: Desk, endpoint: Endpoint, claude_program: Path, tmp_path: Path
) -> None:
    endpoint.script = lambda _: Fault(429, "This request would exceed your rate limit")

    done = real(desk, endpoint, claude_program, tmp_path / "home", "--yes")

    assert done.code == 4, done.out + done.err
    assert "error: the agent has met a usage limit" in done.err
    assert (desk.new_files, desk.traces) == ([], [])


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def await_condition(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def on_terminal(desk: Desk, *, reply: str) -> tuple[int, str]:
    """Exit code, and all that a person sees who gives this reply to the question."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", AS_TERMINAL, "split", "prompts/list.md", *desk.command],
        cwd=desk.project.root,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if not select.select([ours], [], [], 1.0)[0]:
            if reply == INTERRUPT and b"files?" in shown:
                # Python does not see one that comes just before it begins to read.
                os.write(ours, reply.encode())
            continue
        try:
            piece = os.read(ours, 4096)
        except OSError:  # Linux says so when the other side is closed
            break
        if not piece:
            break
        asked_before = b"files?" in shown
        shown += piece
        if b"files?" in shown and not asked_before:
            os.write(ours, reply.encode())
    code = process.wait(PATIENCE_SECONDS)  # before the terminal goes, which would hang up on it
    os.close(ours)
    return code, shown.decode().replace("\r\n", "\n")
