"""The files of the smoke test, which a person pushes to a repository that is thrown away."""

from __future__ import annotations

import re

import pytest

from concertmaster.errors import UsageError
from concertmaster.settings.sources import load_settings
from docs.smoke_test import FILES, make_files
from tests.workflows.files import NAME, PROBES, WORKFLOWS, File, read
from tests.workflows.parser import Parser

ACTION = "someone/else@v9"
CALLER = ".github/workflows/orchestrate.yml"


@pytest.mark.parametrize("file", PROBES.values(), ids=lambda file: file.name)
def test_the_parser_of_github_takes_a_probe(parser: Parser, file: File) -> None:
    assert parser.parse(file)["errors"] == []


def test_the_files_name_the_action_that_is_given_and_no_other(parser: Parser) -> None:
    files = make_files(ACTION)
    assert {*files} == {
        *FILES,
        CALLER,
        *(f".github/workflows/{name}.yml" for name in PROBES),
    }
    assert not [path for path, text in files.items() if NAME in text]
    own = make_files(f"{NAME}@v1")[CALLER]
    assert parser.parse(File(CALLER, own))["errors"] == []
    assert files[CALLER].count("agent: command\n") == 1
    with pytest.raises(UsageError):
        make_files("else")


def test_the_settings_are_read_as_they_are_meant() -> None:
    data = FILES["concertmaster.yml"].encode()
    assert load_settings({}, file=data, name="concertmaster.yml").check == "true"


def test_each_push_and_question_of_a_probe_is_on_the_page() -> None:
    page, probe = read("docs/smoke-test.md").text, PROBES["probe"]
    known_jobs = {*probe.jobs, *WORKFLOWS["orchestrate"].jobs}
    assert {*re.findall(r"the job `(\w+)`", page)} <= known_jobs
    quoted = re.findall(r"\*([A-Z][\w ,]+)\*", page.partition("## Steps")[2])
    known = re.findall(r"(?:push|ask) ['\"]([^'\"]+)['\"]", probe.text)
    assert {*quoted} & {*known} >= {"A second parent", "A branch with workflows of its own"}
