"""Sessions that read are not instructed by files that another agent wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commandline import among_agents, concertmaster, write_prompt
from tests.conftest import Project, in_matrix

FILES = (
    "AGENTS.md sub/CLAUDE.md GEMINI.md .claude/settings.json .codex/config.toml .gemini/.env"
    " .gemini/settings.json .opencode/plugin/x.js .pi/settings.json .mcp.json .env .aider.conf.yml"
).split()

# Each phase records the files of its folder that would instruct an agent.
STORY = """
phase=implement
head -n 1 "$PROMPT_FILE" | grep -q "^Review a change" && phase=review
head -n 1 "$PROMPT_FILE" | grep -q "Find out how" && phase=research
for file in FILES; do test -e "$file" && echo "NAME $phase $file" >> "$HOME/seen"; done
case $phase in
  research) printf '```json\\n{"steps": ["go"], "paths": ["NAME.txt"]}\\n```\\n' ;;
  review)
    grep -q "left out of the current directory" "$PROMPT_FILE" && echo told >> "$HOME/told"
    form='^\\({"task".*\\) or request_changes",'
    sed -n "s/$form/\\1\\", \\"comments\\": []}/p" "$PROMPT_FILE" > "$HOME/verdict-NAME"
    printf '```json\\n'; cat "$HOME/verdict-NAME"; printf '```\\n' ;;
  *)
    for file in WRITES; do mkdir -p "$(dirname "$file")"; echo hook > "$file"; done
    echo done > NAME.txt ;;
esac
"""


def write(project: Project, name: str, *, writes: str, head: str = "") -> None:
    script = STORY.replace("FILES", " ".join(FILES)).replace("NAME", name)
    write_prompt(project, name, script.replace("WRITES", writes), head=head)


@pytest.mark.parametrize("agent", ["claude", *in_matrix(["gemini"])])
def test_no_reviewer_and_no_plan_is_briefed_by_what_another_agent_wrote(
    project: Project, tmp_path: Path, agent: str
) -> None:
    write(project, "first", writes=" ".join(FILES))
    write(project, "second", writes="b.txt", head="needs: [first.md]")
    project.commit("Prompts", {})

    done = concertmaster(
        *("run", "prompts/first.md", "prompts/second.md", "--agent", agent, "--check", "true"),
        *("--phases", "research,implement,review", "--json"),
        cwd=project.root,
        env=among_agents(tmp_path),
    )

    assert [task["state"] for task in done.document["tasks"]] == ["landed"] * 2, done.out
    seen = (tmp_path / "seen").read_text().splitlines()
    assert seen == [f"second implement {file}" for file in FILES]
    assert (tmp_path / "told").read_text() == "told\n" * 2
    assert set(FILES) <= {*project.git("ls-tree", "-r", "--name-only", "main").splitlines()}
