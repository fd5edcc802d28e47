"""Measures every parser of untrusted text on hostile inputs of 64 KiB and of 1 MiB.

Fails when the larger input takes more than 20 times as long. Times are of the processor, and each
is the least of several. Prints a line for each parser, and the five worst at the end.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from concertmaster.agents.answers import UnreadableAnswer, last_words, read_plan, read_review
from concertmaster.agents.error_patterns import classify_error, read_reset
from concertmaster.agents.protocol import read_no_op
from concertmaster.cli.improve_answer import read_improvement
from concertmaster.cli.split_answer import read_split
from concertmaster.comments.plan_data import read_plan as read_plan_comment
from concertmaster.errors import Error
from concertmaster.git import remote_errors
from concertmaster.git.commit_body import inert_body
from concertmaster.git.encryption import is_encrypted, names_encryption
from concertmaster.github.issue_reference import read_issue, read_repository
from concertmaster.github.prompt_list import read_prompt_list
from concertmaster.github.slash_command import read_comment
from concertmaster.insight.change_distance import parse_changes
from concertmaster.insight.definitions import find_definitions, find_imports
from concertmaster.insight.mentions import find_mentions
from concertmaster.insight.names import find_common, find_packages, find_symbols
from concertmaster.insight.words import count_words
from concertmaster.landing.file_sections import judge_sections
from concertmaster.landing.join_appends import join_appends
from concertmaster.landing.named_files import find_named_files
from concertmaster.landing.path_classes import classify, steers_agents
from concertmaster.landing.path_portability import find_unportable_paths
from concertmaster.planning.detect_commands import detect_commands
from concertmaster.planning.failure_causes import Absences, explain_absence
from concertmaster.planning.first_prompt import draft_first_prompt
from concertmaster.planning.prose_order import infer_order
from concertmaster.prompts.follow_ups import merge_follow_ups, write_drafts
from concertmaster.prompts.other_tools import count_tasks, read_header
from concertmaster.prompts.parser import parse_prompt
from concertmaster.report.transcript_lines import say_transcript_line
from concertmaster.settings.file import read_file
from concertmaster.text import globs, redaction
from concertmaster.text.display import display, display_block
from concertmaster.text.durations import read_duration
from concertmaster.text.failing_tests import find_failing_tests
from concertmaster.text.markdown import as_code, neutralise
from concertmaster.text.markdown_parser import find_heading
from concertmaster.text.marks import read_marks

SMALL, LARGE = 1 << 16, 1 << 20
MOST_RATIO = 20.0
FEW_SECONDS = 0.5  # below it a ratio says nothing
REPEATS = 3
WORST = 5  # shown again at the end
UNITS = (
    *(" ", "\n", "\t", "a", "0", "A", "-", "_", "*", "`", "(", "[", "<", "{", '"', "'", "|", ">"),
    *("#", ".", "/", "\\", "@", ":", "&", "\r", "\u202e", "- ", "a ", "a.", "a/", "a-", "(a", "[a"),
    *("a: ", "- a\n", "a: b\n", "```\n", "~~~\n", "<!--", "-->", "](", "> ", "| a ", "\n\n", "1. "),
    *("x.md ", "x.md,", "./", "https://", "a@b ", "a=b ", "{}", '{"a":', "[x] ", "# a\n", "after "),
    *("<a>", "**a** ", "`a` ", "a\\n", "\x1b[", "\x00"),
)


def _parse_prompt(text: str) -> object:
    return parse_prompt(text.encode("utf-8", "replace"), path="prompts/a.md")


def _front_matter(text: str) -> object:
    return _parse_prompt(f"---\n{text}\n---\n# Title\n")


def _order(text: str) -> object:
    return infer_order([parse_prompt(f"# Title\n\n{text}".encode(), path="prompts/a.md")])


def _join(text: str) -> object:
    line = text.encode("utf-8", "replace")
    return join_appends("a.yml", base=b"", ours=b"x: 1\n" + line, theirs=b"y: 1\n" + line)


def _sections(text: str) -> object:
    data = text.encode("utf-8", "replace")
    names = ("package.json", "pyproject.toml", "setup.cfg")
    return [judge_sections(name, b"", data) for name in names]


def _commands(text: str) -> object:
    names = ("Makefile", "package.json", "pyproject.toml", "Cargo.toml")
    files = dict.fromkeys(names, text.encode("utf-8", "replace"))
    return detect_commands(names, files, check="", has_setup=False)


PARSERS: dict[str, Callable[[str], object]] = {
    "prompt file": _parse_prompt,
    "front matter": _front_matter,
    "order in prose": _order,
    "header of a task file": read_header,
    "tasks in a file": count_tasks,
    "prompt list": read_prompt_list,
    "comment": read_comment,
    "plan comment": read_plan_comment,
    "hidden marks": read_marks,
    "reference of an issue": read_issue,
    "address of a repository": read_repository,
    "review": lambda text: read_review(text, task="a", tree="b"),
    "plan of an agent": read_plan,
    "no-op of an agent": read_no_op,
    "last words": last_words,
    "follow-ups": lambda text: write_drafts(merge_follow_ups({"a": [text]}), run="r"),
    "transcript line": lambda text: [*say_transcript_line(json.dumps({"text": text}))],
    "mentions of paths": find_mentions,
    "symbols": find_symbols,
    "packages": find_packages,
    "common words": lambda text: [*find_common(text)],
    "words": count_words,
    "definitions": find_definitions,
    "imports": find_imports,
    "failing tests": find_failing_tests,
    "error of an agent": lambda text: (classify_error(text), read_reset(text)),
    "error of a server": lambda text: (remote_errors.may_pass(text), remote_errors.forbids(text)),
    "split of a prompt": read_split,
    "improved prompt": lambda text: read_improvement(text, old="# Title\n", path="prompts/a.md"),
    "first prompt": lambda text: draft_first_prompt(["src/a.py", text], [text]),
    "body of a commit": inert_body,
    "changes of a commit": lambda text: parse_changes(text, frozenset()),
    "sections of a file": _sections,
    "commands in files": _commands,
    "class of a path": lambda text: (classify(text), steers_agents(text)),
    "named files": lambda text: find_named_files(
        [text], [text], paths={"a/b.py"}, read=lambda _: text.encode("utf-8", "replace")
    ),
    "encrypted file": lambda text: (names_encryption(text), is_encrypted(text.encode())),
    "settings file": lambda text: read_file(text.encode("utf-8", "replace"), "concertmaster.yml"),
    "missing parts in a log": lambda text: explain_absence("make", text, Absences()),
    "joined appends": _join,
    "paths for other systems": lambda text: [*find_unportable_paths([text])],
    "globs": lambda text: globs.match(["**/a*b*/**/c*d*"], text),
    "duration": read_duration,
    "heading": lambda text: find_heading(text, limit=100),
    "one line for a terminal": display,
    "block for a terminal": lambda text: display_block(text, limit=10_000),
    "text for GitHub": lambda text: neutralise(text, limit=10_000),
    "code for GitHub": as_code,
    "redaction": lambda text: redaction.redact(text, secrets=["secret-value"]),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The seconds of one parser for the small and the large input that repeat one unit."""

    name: str
    unit: str
    small: float
    large: float

    @property
    def ratio(self) -> float:
        return self.large / self.small

    def line(self) -> str:
        times = f"{self.small:8.4f} {self.large:8.4f} {self.ratio:6.1f}"
        return f"{self.name:28} {times}  {self.unit!r}"


def hostile(unit: str, size: int) -> str:
    """Return a text of about this many characters that repeats the unit."""
    return unit * max(1, size // len(unit))


def run(parse: Callable[[str], object], text: str) -> float:
    """Return the seconds that the parser takes; a refusal is an answer too."""
    begin = time.process_time()
    with suppress(Error, UnreadableAnswer, ValueError):
        parse(text)
    return time.process_time() - begin


def measure(name: str, parse: Callable[[str], object]) -> Outcome:
    """Return the outcome of the unit with the worst ratio."""
    return max((measure_unit(name, parse, unit) for unit in UNITS), key=lambda one: one.ratio)


def measure_unit(name: str, parse: Callable[[str], object], unit: str) -> Outcome:
    """Return the outcome of one unit; the large input is parsed again while it seems too slow."""
    text = hostile(unit, LARGE)
    large, small = run(parse, text), FEW_SECONDS / MOST_RATIO
    if large > FEW_SECONDS:
        short = hostile(unit, SMALL)
        small = max(small, min(run(parse, short) for _ in range(REPEATS)))
    for _ in range(REPEATS - 1):
        if large / small > MOST_RATIO:
            large = min(large, run(parse, text))
    return Outcome(name=name, unit=unit, small=small, large=large)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="measure only parsers with this in their name")
    only = parser.parse_args().only
    began = time.process_time()
    outcomes = list[Outcome]()
    for name, parse in PARSERS.items():
        if only in name:
            outcomes.append(measure(name, parse))
            print(outcomes[-1].line(), flush=True)
    print(f"\nthe worst of {len(outcomes)}, in {time.process_time() - began:.0f} s")
    outcomes.sort(key=lambda one: one.ratio, reverse=True)
    print(*(one.line() for one in outcomes[:WORST]), sep="\n")
    return 1 if any(one.ratio > MOST_RATIO for one in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
