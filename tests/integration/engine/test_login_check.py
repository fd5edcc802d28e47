"""A run does not begin with an agent that says that it is not logged in."""

from __future__ import annotations

from pathlib import Path

import pytest

from concertmaster.agents.catalog import find_agent
from concertmaster.engine.login_check import check_logins
from concertmaster.errors import EnvironmentFault
from concertmaster.sandbox.supervisor import Guard
from tests.commandline import Done, concertmaster
from tests.conftest import Project, in_matrix

CLAUDE_OUT = """echo '{"loggedIn": false}'; exit 1"""
CODEX_OUT = "echo Not logged in >&2; exit 1"
PROGRAM = """#!/bin/sh
case "$1 $2" in
  "auth status"|"login status") STATE ;;
esac
exit 0
"""


def write_program(folder: Path, name: str, state: str) -> Path:
    program = folder / name
    program.write_text(PROGRAM.replace("STATE", state))
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("name", "state", "given", "refused"),
    [
        ("claude", CLAUDE_OUT, {}, "claude auth login"),
        ("claude", CLAUDE_OUT, {"ANTHROPIC_API_KEY": "k"}, ""),
        ("claude", CLAUDE_OUT, {"CLAUDE_CODE_USE_BEDROCK": "1"}, ""),
        ("claude", """test -n "$OF_USER" || { echo '"loggedIn": false'; exit 1; }""", {}, ""),
        ("claude", "exit 0", {}, ""),
        ("claude", "echo error: unknown command auth; exit 1", {}, ""),
        ("codex", CODEX_OUT, {}, "codex login"),
        ("codex", CODEX_OUT, {"OPENAI_API_KEY": "k"}, ""),
        ("codex", CODEX_OUT, {"CODEX_HOME": "/HOME/providers"}, ""),
        ("gemini", "exit 1", {}, ""),
    ],
)
def test_only_an_agent_that_is_known_to_be_logged_out_is_refused(
    tmp_path: Path, name: str, state: str, given: dict[str, str], refused: str
) -> None:
    write_program(tmp_path, name, state)
    (tmp_path / "providers").mkdir()
    (tmp_path / "providers" / "config.toml").write_text('model_provider = "mine"\n')
    path = f"{tmp_path}:/usr/bin:/bin"
    own = {key: value.replace("/HOME", str(tmp_path)) for key, value in given.items()}
    environment = {"PATH": path, "HOME": str(tmp_path), "OF_USER": "1", **own}
    told = ""

    with Guard() as guard:
        try:
            check_logins(
                {name: find_agent(name, command="", path=path)},
                environment=environment,
                names=frozenset({"OF_USER"}),
                place=tmp_path,
                guard=guard,
            )
        except EnvironmentFault as error:
            told = error.next_step

    assert bool(told) == bool(refused)
    assert refused in told


def test_a_run_that_cannot_start_makes_nothing(project: Project, tmp_path: Path) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    write_program(bin_folder, "claude", CLAUDE_OUT)
    project.commit("Prompt", {"prompts/a.md": "# A\n", "concertmaster.yml": "check: 'true'\n"})

    done = concertmaster(
        *("run", "prompts/a.md", "--agent", "claude"),
        cwd=project.root,
        env={"PATH": f"{bin_folder}:/usr/bin:/bin", "HOME": str(tmp_path)},
    )

    assert done.code == EnvironmentFault.exit_code
    assert "the agent claude is not logged in" in done.err
    assert "`claude auth login`" in done.err
    assert not (project.root / ".git" / "concertmaster").exists()
    assert project.git("for-each-ref", "refs/concertmaster") == ""


# A worker that fails, and can be logged out by a file in its home.
CLAUDE = """#!/bin/sh
if [ "$1 $2" = "auth status" ]; then
  [ ! -e "$HOME/out" ] || { echo '{"loggedIn": false}'; exit 1; }
  exit 0
fi
echo "$1" >> "$HOME/starts"
exit 1
"""


@pytest.mark.parametrize("again", ["resume", *in_matrix(["retry", "split"])])
def test_no_command_starts_an_agent_that_was_logged_out_meanwhile(
    project: Project, tmp_path: Path, again: str
) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "claude"
    program.write_text(CLAUDE)
    program.chmod(0o755)
    settings = "check: 'true'\nattempts: 1\nagent: claude\n"
    project.commit("Prompt", {"prompts/a.md": "# A\n", "concertmaster.yml": settings})
    environment = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "HOME": str(tmp_path)}

    def call(*arguments: str) -> Done:
        return concertmaster(*arguments, cwd=project.root, env=environment)

    call("run", "prompts/a.md", "--phases", "lean")
    (folder,) = project.root.glob(".git/concertmaster/runs/*")
    if again == "resume":  # as after a crash
        journal = folder / "journal.jsonl"
        journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:2]))
    before = (folder / "journal.jsonl").read_text()
    (tmp_path / "starts").unlink()
    (tmp_path / "out").touch()

    done = call(again, *(["prompts/a.md"] if again == "split" else []))

    assert done.code == EnvironmentFault.exit_code, done.err
    assert "the agent claude is not logged in" in done.err
    assert not (tmp_path / "starts").exists()
    assert [*project.root.glob(".git/concertmaster/runs/*")] == [folder]
    assert (folder / "journal.jsonl").read_text() == before


def test_the_sandbox_of_an_agent_is_tried_once_for_a_run(project: Project, tmp_path: Path) -> None:
    bin_folder, calls = tmp_path / "bin", tmp_path / "calls"
    bin_folder.mkdir()
    program = bin_folder / "codex"
    program.write_text(f"""#!/bin/sh\necho "$1" >> {calls}\nexit 1\n""")
    program.chmod(0o755)
    project.commit(
        "Prompt", {"prompts/a.md": "# A\n", "concertmaster.yml": "check: 'true'\nattempts: 1\n"}
    )

    concertmaster(
        *("run", "prompts/a.md", "--agent", "codex", "--phases", "lean"),
        cwd=project.root,
        env={"PATH": f"{bin_folder}:/usr/bin:/bin", "HOME": str(tmp_path), "OPENAI_API_KEY": "k"},
    )

    tried = calls.read_text().split()
    assert (tried.count("sandbox"), "exec" in tried) == (1, True)
