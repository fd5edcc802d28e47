from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from concertmaster.engine.logs import describe_failure, read_evidence
from concertmaster.sandbox.exit_status import Exit

NOISE = "      at Server.emit (node:events:517:28)\n"
ENDED = Exit(code=1, seconds=0.1)


@pytest.mark.parametrize("noise", [1, 5000])  # the names may stand far before the end
def test_a_failed_check_is_told_by_the_tests_that_failed(tmp_path: Path, noise: int) -> None:
    log = tmp_path / "check.log"
    log.write_text("not ok 1 - adds\nnot ok 2 - subtracts\n" + NOISE * noise)

    told = describe_failure("check `node --test`", ENDED, log)
    assert told == f"check `node --test` failed ({ENDED.describe()}): adds, subtracts"
    evidence = read_evidence(ENDED, log)
    assert evidence.startswith("2 tests failed:\n- adds\n- subtracts\n\n")
    assert evidence.endswith(NOISE.strip())


def test_a_failed_check_that_names_no_test_is_told_by_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "check.log"
    assert describe_failure("check `make`", ENDED, log).endswith(f"({ENDED.describe()})")
    log.write_text("one\ntwo\n---\nthree\nfour\n")
    assert describe_failure("check `make`", ENDED, log).endswith(": two | three | four")
    assert read_evidence(ENDED, log) == "one\ntwo\n---\nthree\nfour"


def test_a_test_that_failed_in_an_earlier_command_of_the_log_is_not_named(tmp_path: Path) -> None:
    log = tmp_path / "check.log"
    earlier = "not ok 1 - adds\n"
    log.write_text(f"{earlier}not ok 2 - subtracts\n")
    ended = replace(ENDED, log_start=len(earlier))
    assert describe_failure("check `node --test`", ended, log).endswith(": subtracts")
    assert read_evidence(ended, log).startswith("1 test failed:\n- subtracts\n")
