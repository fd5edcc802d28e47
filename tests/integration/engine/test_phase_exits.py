"""Tests the exit conditions of research and document, and of agents that break their worktree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.commandline import among_agents, concertmaster, write_prompt
from tests.conftest import Project, in_matrix

ALL = ("claude", "codex", "gemini", "aider")
LIMITS = {
    "claude": "$(($(date +%s) + 1))",
    "codex": "You've hit your usage limit. Try again in 1 seconds.",
    "gemini": "You have exhausted your daily quota on this model. It will reset after 1s.",
}
SETUP = "mkdir -p tools && echo real > tools/lint && echo $CONCERTMASTER_MARK >> $HOME/setups"

# Shell lines that each phase runs beside its work; `again` is the answer to a repeated question.
STORY = """
begins() {{ head -n 2 "$PROMPT_FILE" | grep -q "$1"; }}
answer() {{ echo '```json'; echo "$1"; echo '```'; }}
told() {{ echo "$1 $SESSION $TURN" >> "$HOME/told"; }}
if begins "Find out how the task"; then
  told research
  {research}
  answer '{{"steps": ["write it"], "paths": ["answer.txt"]}}'
elif begins "The task below is done"; then
  told document
  {document}
elif grep -q "^Your answer cannot be read" "$PROMPT_FILE"; then
  told again
  {again}
else
  told implement
  {implement}
  echo right > answer.txt
fi
"""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A repository with one prompt, and a home in which agents leave notes."""

    project: Project
    home: Path

    def run(
        self, agent: str, phases: str, *, more: tuple[str, ...] = (), **does: str
    ) -> dict[str, Any]:
        """Run the one task and return its row; `does` are the shell lines of STORY."""
        lines = dict.fromkeys(("research", "document", "again", "implement"), "true")
        write_prompt(self.project, "answer", STORY.format(**{**lines, **does}))
        self.project.commit("Prompt", {"README.md": "# Answers\n", ".gitignore": "tools/\n*.log\n"})
        self.home.mkdir()
        done = concertmaster(
            *("run", "prompts/answer.md", "--agent", agent, "--check", "true"),
            *("--phases", phases, "--json", *more),
            cwd=self.project.root,
            env=among_agents(self.home),
        )
        assert done.out, done.err
        (task,) = done.document["tasks"]
        found: dict[str, Any] = task
        return found

    def notes(self, name: str) -> list[list[str]]:
        file = self.home / name
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def desk(project: Project, tmp_path: Path) -> Desk:
    return Desk(project=project, home=tmp_path / "home")


def phases_of(task: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(p["phase"], p["finished"]) for a in task["attempts"] for p in a["phases"]]


# --- research ----------------------------------------------------------------------------------

LEAN = ["prepare", "research", "implement", "test", "deliver"]
WRITES = {
    "a new file": "echo planted > new.txt",
    "a tracked file": "echo planted > README.md",
    "no file any more": "rm README.md",
    "an ignored file": "echo planted > planted.log",
    "a folder of ignored files": "mkdir -p deep/er && echo planted > deep/er/conftest.log",
    "beside what setup made": "echo planted > tools/planted",
    "over what setup made": "echo planted > tools/lint",
    "what ignores all": "mkdir own && echo '*' > own/.gitignore && echo planted > own/conftest.py",
    "who ignores what": "echo '*' > .gitignore && echo planted > planted.py",
    "a folder in place of a file": "rm README.md && mkdir README.md && touch README.md/x",
    "a link to elsewhere": 'rm -r tools && ln -s "$HOME" tools',
    "a repository": "git init -q tools/inner && echo planted > tools/inner/file",
    "an old file": "echo fake > tools/lint && touch -d '2 days ago' tools/lint",
}


WAYS = ["a repository"]  # `make matrix` has the others


@pytest.mark.parametrize("name", [*WAYS, *in_matrix(sorted({*WRITES} - {*WAYS}))])
def test_nothing_that_is_written_in_research_is_there_afterwards(desk: Desk, name: str) -> None:
    look = "{ cat tools/* README.md; git status --porcelain --ignored; } > $HOME/seen 2>&1"

    task = desk.run(
        "gemini", "research", research=WRITES[name], implement=look, more=("--setup", SETUP)
    )

    assert phases_of(task) == [(phase, True) for phase in LEAN], task
    assert desk.notes("seen") == [["real"], ["#", "Answers"], ["!!", "tools/"]]
    assert desk.project.git("diff", "--name-only", "main~1", "main") == "answer.txt"


@pytest.mark.parametrize(
    ("writes", "times"), [("touch new.txt tools/new", 1), ("rm tools/lint", 2)]
)
def test_setup_runs_again_only_where_research_has_changed_what_it_made(
    desk: Desk, writes: str, times: int
) -> None:
    task = desk.run("aider", "research", research=writes, more=("--setup", SETUP))

    assert task["state"] == "landed", task
    setups = [mark.split("/")[1] for (mark,) in desk.notes("setups")]
    assert setups.count(task["id"]) == times


@pytest.mark.parametrize("agent", ["claude", *in_matrix(sorted({*LIMITS} - {"claude"}))])
def test_research_that_a_usage_limit_has_cut_in_two_goes_on_in_its_session(
    desk: Desk, agent: str
) -> None:
    limit = f'if test "$TURN" = 1; then touch x.log; echo "limit {LIMITS[agent]}" >> "$ORDERS"; fi'

    task = desk.run(agent, "research", research=limit, implement="! test -e x.log || touch unclean")

    assert phases_of(task) == [
        *(("prepare", True), ("research", False), ("research", True)),
        *(("implement", True), ("test", True), ("deliver", True)),
    ]
    told = desk.notes("told")
    assert [(phase, turn) for phase, _, turn in told] == [
        *(("research", "1"), ("research", "2"), ("implement", "3"))
    ]
    assert len({session for _, session, _ in told}) == 1
    assert desk.project.git("diff", "--name-only", "main~1", "main") == "answer.txt"


def test_research_without_a_plan_is_asked_once_more_and_then_over(desk: Desk) -> None:
    task = desk.run("codex", "research", research="echo 'I would write it.'; exit 0")

    reason = "research gave no plan that can be used: it holds no JSON object with steps"
    assert [one["reason"] for one in task["attempts"]] == [reason] * 2
    assert [phase for phase, *_ in desk.notes("told")] == ["research", "again"] * 2
    assert not task["branch"]


def test_a_plan_may_name_a_file_in_a_new_folder(desk: Desk) -> None:
    plan = """answer '{"steps": ["write it"], "paths": ["new/folder/answer.txt"]}'; exit 0"""
    task = desk.run("codex", "research", research=plan)

    assert task["state"] == "landed", task
    assert [phase for phase, *_ in desk.notes("told")] == ["research", "implement"]


# --- document ----------------------------------------------------------------------------------

DOCUMENTED = [(phase, True) for phase in ("prepare", "implement", "test", "document")]


@pytest.mark.parametrize("agent", ["codex", *in_matrix(sorted({*ALL} - {"codex"}))])
def test_a_missing_statement_is_asked_for_once_more_in_the_same_phase(
    desk: Desk, agent: str
) -> None:
    """An agent without sessions gets the whole question again, and takes it for its first turn."""
    states = """answer '{"no_docs": "nothing is said of answers anywhere"}'"""
    first = (
        "true"
        if agent != "aider"
        else f'if test -e "$HOME/first"; then {states}; fi; touch "$HOME/first"'
    )

    task = desk.run(agent, "document", document=first, again=states)

    assert phases_of(task) == [*DOCUMENTED, ("deliver", True)]
    asked = [phase for phase, *_ in desk.notes("told")]
    assert asked == ["implement", "document", "document" if agent == "aider" else "again"]
    if agent != "aider":
        sessions = {session for _, session, _ in desk.notes("told")}
        assert len(sessions) == 1


@pytest.mark.matrix
def test_a_document_that_is_changed_when_asked_once_more_counts(desk: Desk) -> None:
    task = desk.run(
        *("codex", "document"), document="echo x > code.py", again="echo more >> README.md"
    )

    assert phases_of(task) == [*DOCUMENTED, ("test", True), ("deliver", True)]
    changed = desk.project.git("diff", "--name-only", "main~1", "main").split("\n")
    assert changed == ["README.md", "answer.txt", "code.py"]
    usage = next(p["usage"] for p in task["attempts"][0]["phases"] if p["phase"] == "document")
    assert usage["input_tokens"] == 2000


def test_an_agent_that_neither_documents_nor_says_why_has_failed_and_its_work_is_kept(
    desk: Desk,
) -> None:
    task = desk.run("gemini", "document", document="echo x > code.py")

    assert task["state"] == "failed"
    reason = (
        "the agent did not document its change: no document was changed, and it does not say why"
    )
    assert [one["reason"] for one in task["attempts"]] == [reason] * 2
    assert phases_of(task) == [*DOCUMENTED[:-1], ("document", False)] * 2
    kept = desk.project.git("ls-tree", "--name-only", task["branch"]).split("\n")
    assert {"answer.txt", "code.py"} <= {*kept}


# --- agents that break what they work in -------------------------------------------------------


@pytest.mark.matrix
def test_an_agent_that_puts_a_folder_where_its_schema_lay_loses_only_its_attempt(
    desk: Desk,
) -> None:
    schema = '"$TMPDIR/answer-schema.json"'
    plant = f"if test -e {schema}; then rm {schema}; mkdir {schema}; echo what; exit 0; fi"

    task = desk.run("codex", "review", implement=plant)

    assert {attempt["outcome"] for attempt in task["attempts"]} == {"lost"}


@pytest.mark.parametrize(
    ("phase", "does"),
    [
        ("research", "rm tools/lint; touch $HOME/broken"),
        ("implement", 'here="$PWD"; cd "$HOME"; rm -r "$here"; exit 0'),
        pytest.param(
            "document", 'here="$PWD"; cd "$HOME"; rm -r "$here"', marks=pytest.mark.matrix
        ),
    ],
)
def test_what_an_agent_used_counts_also_where_it_left_nothing_to_go_on_with(
    desk: Desk, phase: str, does: str
) -> None:
    setup = "test ! -e $HOME/broken && mkdir tools && echo real > tools/lint"
    phases = "lean" if phase == "implement" else phase

    task = desk.run("gemini", phases, more=("--setup", setup), **{phase: does})

    (failed,) = [p for p in task["attempts"][0]["phases"] if p["phase"] == phase]
    assert (failed["finished"], failed["usage"]["input_tokens"]) == (False, 1000), failed
