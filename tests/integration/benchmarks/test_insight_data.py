from __future__ import annotations

from pathlib import Path

from benchmarks.insight_data import read_history
from tests.conftest import Project

LINES = "".join(f"{n}\n" for n in range(40))


def test_a_history_gives_groups_with_the_files_and_the_conflicts(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.commit("Start", {"a.txt": LINES, "b.txt": "b\n"})
    base = project.git("rev-parse", "HEAD").strip()
    project.commit("Change the top", {"a.txt": LINES.replace("1\n", "one\n", 1)})
    near = LINES.replace("1\n", "one\n", 1).replace("2\n", "two\n", 1)
    project.commit("Change beside it", {"a.txt": near})
    project.commit("Change the end", {"a.txt": near + "end\n", "new.txt": "new\n"})
    for number in range(5):
        project.commit(f"Change b {number}", {"b.txt": f"{number}\n"})

    (group,) = read_history(project.root, groups=1)

    assert group.base == base
    assert [case.text for case in group.cases][:3] == [
        "Change the top",
        "Change beside it",
        "Change the end",
    ]
    assert group.cases[2].actual == {"a.txt"}
    assert group.conflicts[0, 1] is True
    assert (0, 2) not in group.conflicts  # the first cannot be taken back alone
    assert group.conflicts[1, 2] is False
    assert group.conflicts[0, 3] is False
