"""The workflow file gives agents variables, one a line; values never show in errors."""

from __future__ import annotations

import pytest

from concertmaster.errors import UsageError
from concertmaster.settings.agent_variables import SECRETS, VARIABLES, read_agent_variables


def test_each_line_is_a_variable_and_the_lists_themselves_are_dropped() -> None:
    given = {
        VARIABLES: "# Bedrock\nCLAUDE_CODE_USE_BEDROCK=1\n\n AWS_REGION = eu-west-1 \r\n",
        SECRETS: "AWS_SECRET_ACCESS_KEY=a=b#c\nEMPTY=",
        "PATH": "/bin",
    }

    found = read_agent_variables(given)

    assert found.plain == {"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_REGION": "eu-west-1"}
    assert found.secrets == {"AWS_SECRET_ACCESS_KEY": "a=b#c", "EMPTY": ""}
    assert found.names == {*found.plain, *found.secrets}
    assert found.added_to(given) == {"PATH": "/bin", **found.plain, **found.secrets}
    assert read_agent_variables({}).names == frozenset()


@pytest.mark.parametrize("line", ["hunter2", "export A=hunter2", "A B=hunter2", "=hunter2"])
@pytest.mark.parametrize("place", [VARIABLES, SECRETS])
def test_a_line_that_is_none_is_named_by_its_number(line: str, place: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_agent_variables({place: f"A=1\n{line}"})

    assert "line 2" in caught.value.what
    assert "hunter2" not in f"{caught.value.what} {caught.value.why} {caught.value.next_step}"


@pytest.mark.parametrize(
    "name", "PATH HOME LD_PRELOAD GITHUB_TOKEN github_env INPUT_RUN GIT_DIR NODE_OPTIONS".split()
)
def test_a_variable_of_the_job_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="sets"):
        read_agent_variables({VARIABLES: f"{name}=x"})
