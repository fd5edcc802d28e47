"""The reports that a check has just written are read, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from concertmaster.engine.junit_files import MOST_BYTES, read_junit_failures

REPORT = '<testsuite><testcase name="{}"><failure/></testcase></testsuite>'


def test_a_report_of_pytest_names_its_failing_tests(tmp_path: Path) -> None:
    (tmp_path / "test_fruit.py").write_text("def test_ripe(): assert 0\ndef test_red(): pass\n")
    began = time.time()
    command = (sys.executable, "-m", "pytest", "-q", "--junitxml=out/report.xml")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)

    assert done.returncode == 1
    assert read_junit_failures(tmp_path, since=began) == ("test_fruit.test_ripe",)


def test_only_plain_files_of_this_check_count(tmp_path: Path) -> None:
    began = time.time()
    for name in ("a/b/new.xml", "node_modules/x.xml", "old.xml", "notes.txt", "big.xml"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(REPORT.format(file.stem))
    os.utime(tmp_path / "old.xml", (began - 60, began - 60))
    with (tmp_path / "big.xml").open("ab") as big:
        big.truncate(MOST_BYTES + 1)
    elsewhere = tmp_path.with_name(f"{tmp_path.name}-elsewhere")
    elsewhere.mkdir()
    (elsewhere / "secret.xml").write_text(REPORT.format("secret"))
    (tmp_path / "link.xml").symlink_to(elsewhere / "secret.xml")
    (tmp_path / "folder").symlink_to(elsewhere)
    os.mkfifo(tmp_path / "pipe.xml")

    assert read_junit_failures(tmp_path, since=began) == ("new",)
    assert read_junit_failures(tmp_path / "absent", since=began) == ()
