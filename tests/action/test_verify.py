"""Tests the verify job: which results may land together, and that forged ones may not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from concertmaster.action.plan.job import plan as run_plan
from concertmaster.action.plan_artifact import digest_plan
from concertmaster.action.verify import verify as perform_verify
from concertmaster.errors import EnvironmentFault
from concertmaster.files import run_folder
from concertmaster.git import commit_message
from concertmaster.git.command import OUR_EMAIL, OUR_NAME
from concertmaster.landing.fault import LandingFault
from concertmaster.model import Built, TaskState
from concertmaster.rounds.documents import (
    HISTORY_FILE,
    read_history_file,
    read_verdict,
    write_history,
)
from concertmaster.rounds.history import History, TaskHistory, by_name
from concertmaster.rounds.verdict import Verdict
from tests.action.push_moment import end_the_time
from tests.action.test_work import work
from tests.action.workflow import Workflow
from tests.github.double import Double
from tests.github.state import Repository

# The agent reads "Write x.txt" from its prompt and writes x.txt, or runs x.sh if there is one.
AGENT = """\
name=$(grep -o 'Write [a-z]*[.]txt' | head -1 | cut -c7-)
echo "$name" > "$name"
if test -f "${name%.txt}.sh"; then sh "${name%.txt}.sh"; fi
"""
FREE = {"prompts/plum.md": "# Write plum.txt\n"}  # this plum has no needs
LIST = "- prompts/apple.md\n- prompts/pear.md\n- prompts/plum.md\n"


@dataclass
class Round:
    """A round whose plan and work jobs are done, so that tests can forge their artifacts."""

    workflow: Workflow
    repository: Repository
    folder: Path

    @property
    def artifacts(self) -> Path:
        return self.workflow.folder / "temp" / "concertmaster" / "artifacts"

    @property
    def history(self) -> History:
        return read_history_file(self.artifacts / "concertmaster-plan")

    @property
    def base(self) -> str:
        return self.history.base

    def id_of(self, name: str) -> str:
        return next(one.task for one in self.history.tasks.values() if one.task.startswith(name))

    def verify(self, **more: Any) -> Verdict:
        inputs = {"plan_sha256": digest_plan(self.artifacts / "concertmaster-plan"), **more}
        assert perform_verify(self.workflow.job(**inputs)) == 0
        data = (self.artifacts / "concertmaster-verify" / "verdict.json").read_bytes()
        assert self.workflow.outputs["verdict_sha256"] == sha256(data).hexdigest()
        return read_verdict(self.artifacts / "concertmaster-verify", history=self.history)

    def share_of(self, name: str) -> Path:
        """Return the artifact with the task's result."""
        for folder in sorted(self.artifacts.glob("concertmaster-work-*")):
            if self.id_of(name) in (folder / "results.json").read_text():
                return folder
        raise AssertionError(f"no share has {name}")

    def result(self, name: str) -> dict[str, Any]:
        document = json.loads((self.share_of(name) / "results.json").read_text())
        tasks: list[dict[str, Any]] = document["tasks"]
        return next(one for one in tasks if one["task"] == self.id_of(name))

    def set_result(self, name: str, **fields: Any) -> None:
        path = self.share_of(name) / "results.json"
        document = json.loads(path.read_text())
        for one in document["tasks"]:
            if one["task"] == self.id_of(name):
                one.update(fields)
        path.write_text(json.dumps(document))

    def git(self, *args: str, **more: Any) -> str:
        clone = self.folder / "clone"
        if not clone.exists():
            clone.mkdir(parents=True)
            source = str(self.repository.folder)
            subprocess.run(["git", "clone", "--quiet", "--mirror", source, clone], check=True)
        done = subprocess.run(
            ["git", *args], cwd=clone, check=True, capture_output=True, text=True, **more
        )
        return str(done.stdout).strip()

    def commit(
        self, parent: str, files: Mapping[str, str], *, name: str = "apple", said: str = ""
    ) -> str:
        """Return the commit that we would make of these files, with these words of the agent."""
        plan = run_folder.read_plan(self.artifacts / "concertmaster-plan")
        task = next(one for one in plan.tasks if one.id == self.id_of(name))
        text = commit_message.task_message(task, plan=plan, said=said)
        date = f"@{plan.settings.made_at} +0000"
        who = {"NAME": OUR_NAME, "EMAIL": OUR_EMAIL, "DATE": date}
        env = {f"GIT_{role}_{k}": who[k] for role in ("AUTHOR", "COMMITTER") for k in who}
        env |= {**os.environ, "GIT_INDEX_FILE": str(self.folder / "index")}
        self.git("read-tree", parent, env=env)
        for path, content in files.items():
            blob = self.git("hash-object", "-w", "--stdin", input=content)
            self.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=env)
        tree = self.git("write-tree", env=env)
        return self.git("commit-tree", tree, "-p", parent, "-F", "-", env=env, input=text)

    def forge_result(self, name: str, head: str, **fields: Any) -> None:
        """Forge the share's result so that this commit is the task's head."""
        bundle = self.share_of(name) / self.result(name)["bundle"]
        ref = f"refs/heads/concertmaster/{self.history.run}/{self.id_of(name)}"
        self.git("update-ref", ref, head)
        self.git("bundle", "create", "--quiet", str(bundle), ref, f"^{self.base}")
        digest = sha256(bundle.read_bytes()).hexdigest()
        self.set_result(name, head=head, sha256=digest, **fields)

    def files(self, commit: str) -> set[str]:
        """Return the text files in a commit of the verify job."""
        folder = self.workflow.folder / "temp" / "concertmaster" / "repository"
        listed = subprocess.run(
            ["git", "ls-tree", "-r", "--name-only", commit],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
        return {path for path in listed.stdout.split() if path.endswith(".txt")}

    def landing(self, verdict: Verdict) -> list[str]:
        return sorted(task.partition("-")[0] for step in verdict.steps for task in step.tasks)

    def faults(self, verdict: Verdict) -> dict[str, LandingFault]:
        return {one.task.partition("-")[0]: one.fault for one in verdict.left_out}


Worked = Callable[..., Round]


@pytest.fixture
def worked(
    comment: Callable[..., Workflow], repository: Repository, double: Double, tmp_path: Path
) -> Worked:
    """A function that returns a round after the work jobs, with these files and this check."""

    def run(files: Mapping[str, str] | None = None, *, check: str = "true\n", **more: Any) -> Round:
        made = {"agent.sh": AGENT, "check.sh": check, **(files or {})}
        double.commit(repository, "main", made)
        workflow = comment("/orchestrate" + more.pop("words", ""), issue_body=LIST)
        assert run_plan(workflow.job(slots=2, **more)) == 0
        for share in json.loads(workflow.outputs["shares"]):
            assert work(workflow, share) == 0, workflow.said.getvalue()
        return Round(workflow=workflow, repository=repository, folder=tmp_path / "forge")

    return run


# --- results that pass the check together ------------------------------------------------------


def test_results_that_are_green_together_land_as_one_tested_commit(worked: Worked) -> None:
    own_home = 'case "$HOME" in */home) ;; *) exit 1;; esac\ntest -z "$(ls -A "$HOME")"\n'
    done = worked(check=own_home)
    verdict = done.verify()

    assert done.landing(verdict) == ["apple", "pear", "plum"]
    assert done.files(verdict.commit) == {"apple.txt", "pear.txt", "plum.txt"}
    assert (verdict.base_green, verdict.finished, verdict.left_out) == (True, True, ())
    assert verdict.tip == done.base
    assert verdict.checks == 1  # the work jobs have checked the base
    assert "green together" in (done.workflow.folder / "summary.md").read_text()


@pytest.mark.matrix
def test_a_base_of_several_results_is_made_again_and_found_true(worked: Worked) -> None:
    needs = "---\nneeds: [pear.md, apple.md]\n---\n# Write plum.txt\n"
    done = worked({"prompts/plum.md": needs})
    assert len(done.result("plum")["built_on"]) == 2
    verdict = done.verify()

    assert done.landing(verdict) == ["apple", "pear", "plum"]


def test_a_culprit_is_left_out_and_the_rest_is_green(worked: Worked) -> None:
    done = worked(FREE, check="! { test -f ap*.txt && test -f pe*.txt; }\n")
    verdict = done.verify()

    assert len(done.landing(verdict)) == 2
    assert "plum" in done.landing(verdict)
    assert [*done.faults(verdict).values()] == [LandingFault.CULPRIT]
    assert {"apple.txt", "pear.txt"} - done.files(verdict.commit)


@pytest.mark.matrix
def test_of_two_that_do_not_merge_one_is_left_out(worked: Worked) -> None:
    write = "basename $0 > shared\n"
    done = worked({**FREE, "apple.sh": write, "pear.sh": write})
    verdict = done.verify()

    assert len(done.landing(verdict)) == 2
    assert [*done.faults(verdict).values()] == [LandingFault.CONFLICT]


@pytest.mark.matrix
def test_what_a_person_has_to_merge_is_held_and_so_is_what_needs_it(worked: Worked) -> None:
    done = worked({"pear.sh": "echo 'all:' > Makefile\n"})
    verdict = done.verify()

    assert done.landing(verdict) == ["apple"]
    assert done.faults(verdict) == {"plum": LandingFault.STUCK}
    assert done.files(verdict.commit) == {"apple.txt"}
    assert "a person merges it" in (done.workflow.folder / "summary.md").read_text()


def test_a_red_base_lands_nothing(worked: Worked) -> None:
    done = worked()
    for folder in done.artifacts.glob("concertmaster-work-*"):
        document = json.loads((folder / "results.json").read_text())
        changed = {**document, "base_green": False, "base_reason": "it is red"}
        (folder / "results.json").write_text(json.dumps(changed))
    verdict = done.verify()

    assert (verdict.base_green, verdict.base_reason) == (False, "it is red")
    assert verdict.steps == ()
    assert verdict.finished


@pytest.mark.matrix
def test_where_results_stay_on_branches_there_is_no_train(worked: Worked) -> None:
    done = worked(words=" landing=branches")
    verdict = done.verify()

    assert (verdict.steps, verdict.checks, verdict.finished) == ((), 0, True)


@pytest.mark.matrix
def test_the_target_may_have_moved_meanwhile(worked: Worked, double: Double) -> None:
    done = worked()
    double.commit(done.repository, "main", {"other.txt": "of somebody else\n"})
    verdict = done.verify()

    assert verdict.tip != done.base
    assert "other.txt" in done.files(verdict.commit)
    assert done.landing(verdict) == ["apple", "pear", "plum"]


# --- forged results ----------------------------------------------------------------------------


@pytest.mark.matrix
def test_a_path_that_no_task_may_change_is_refused(worked: Worked) -> None:
    done = worked()
    path = ".github/workflows/evil.yml"
    done.forge_result("apple", done.commit(done.base, {path: "on: push\n"}))
    verdict = done.verify()

    assert done.landing(verdict) == ["pear", "plum"]
    assert done.faults(verdict) == {"apple": LandingFault.REFUSED}
    assert path in verdict.left_out[0].reason


@pytest.mark.matrix
def test_a_base_that_smuggles_a_commit_is_refused(worked: Worked) -> None:
    done = worked()
    evil = done.commit(done.base, {"evil.txt": "never judged\n"})
    done.forge_result("apple", done.commit(evil, {"apple.txt": "apple\n"}), base=evil)
    verdict = done.verify()

    assert done.faults(verdict) == {"apple": LandingFault.REFUSED}
    assert "is not what it says it is built on" in verdict.left_out[0].reason
    assert "evil.txt" not in done.files(verdict.commit)


@pytest.mark.matrix
def test_a_base_that_claims_the_result_of_another_task_is_refused(worked: Worked) -> None:
    done = worked()
    evil = done.commit(done.base, {"evil.txt": "never judged\n"})
    built_on = [{"task": done.id_of("apple"), "head": evil}]
    head = done.commit(evil, {"pear.txt": "pear\n"}, name="pear")
    done.forge_result("pear", head, base=evil, built_on=built_on)
    verdict = done.verify()

    # Plum is refused too, because it is built on the result that the forged one replaced.
    assert done.faults(verdict) == {"pear": LandingFault.REFUSED, "plum": LandingFault.REFUSED}
    assert all("not the result of" in one.reason for one in verdict.left_out)
    assert done.landing(verdict) == ["apple"]


@pytest.mark.matrix
def test_a_head_that_is_not_one_commit_on_its_base_is_refused(worked: Worked) -> None:
    done = worked()
    first = done.commit(done.base, {"first.txt": "1\n"})
    done.forge_result("apple", done.commit(first, {"second.txt": "2\n"}))
    verdict = done.verify()

    assert done.faults(verdict) == {"apple": LandingFault.REFUSED}


@pytest.mark.matrix
def test_what_is_built_on_a_refused_result_lands_without_it_or_not_at_all(worked: Worked) -> None:
    done = worked()
    bundle = done.share_of("pear") / done.result("pear")["bundle"]
    whole = bundle.read_bytes()
    bundle.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    verdict = done.verify()

    assert done.landing(verdict) == ["apple"]
    assert done.faults(verdict) == {"pear": LandingFault.REFUSED, "plum": LandingFault.STUCK}
    assert done.files(verdict.commit) == {"apple.txt"}


@pytest.mark.matrix
def test_a_share_that_left_nothing_does_not_keep_the_others(worked: Worked) -> None:
    done = worked()
    lost = done.share_of("apple")
    mine = {one["task"] for one in json.loads((lost / "results.json").read_text())["tasks"]}
    shutil.rmtree(lost)
    verdict = done.verify()

    assert verdict.finished
    assert not mine & {task for step in verdict.steps for task in step.tasks}
    assert len(done.landing(verdict)) == 3 - len(mine)


@pytest.mark.matrix
def test_a_history_that_was_changed_is_refused(worked: Worked) -> None:
    done = worked()
    given = done.workflow.outputs["plan_sha256"]
    path = done.artifacts / "concertmaster-plan" / "history.json"
    path.write_text(path.read_text().replace('"round": 1', '"round": 2'))
    with pytest.raises(EnvironmentFault, match="not the plan that was made"):
        done.verify(plan_sha256=given)


@pytest.mark.matrix
def test_a_commit_in_the_words_of_somebody_else_is_refused(worked: Worked) -> None:
    done = worked()
    done.forge_result("apple", done.commit(done.base, {"apple.txt": "apple\n"}, name="pear"))
    verdict = done.verify()

    assert done.faults(verdict) == {"apple": LandingFault.REFUSED}
    assert "not as we make them" in verdict.left_out[0].reason


@pytest.mark.parametrize(
    ("said", "written", "lands"),
    [
        pytest.param("Closes #1 for @eve", "Closes # 1 for @ eve", True, marks=pytest.mark.matrix),
        ("Closes #1 for @eve", "Closes #1 for @eve", False),
        pytest.param("It works.", "It works.", True, marks=pytest.mark.matrix),
        pytest.param("", "It works.", False, marks=pytest.mark.matrix),
    ],
)
def test_words_of_an_agent_land_only_as_we_write_them(
    worked: Worked, said: str, written: str, lands: bool
) -> None:
    done = worked()
    head = done.commit(done.base, {"apple.txt": "apple\n"}, said=written)
    done.forge_result("apple", head, said=said)

    verdict = done.verify()

    assert ("apple" in done.landing(verdict)) is lands
    reasons = [one.reason for one in verdict.left_out]
    assert any("not as we make them" in reason for reason in reasons) is not lands


# --- time limits and further rounds ------------------------------------------------------------


def test_a_job_that_runs_out_of_time_leaves_the_steps_so_far(
    worked: Worked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "never")
    end_the_time(monkeypatch, when=(tmp_path / "hangs").exists)
    # The check fails for all three together. The second time it does not end.
    check = (
        "test -f ap*.txt && test -f pe*.txt && test -f pl*.txt || exit 0\n"
        f"mkdir {tmp_path}/seen && exit 1\ntouch {tmp_path}/hangs; cat {tmp_path}/never\n"
    )
    done = worked(FREE, check=check)
    verdict = done.verify(isolation="none")

    assert "time of this job is over" in verdict.stopped
    assert not verdict.finished
    assert len(done.landing(verdict)) == 2
    assert len(done.files(verdict.commit)) == 2
    assert verdict.left_out == ()


@pytest.mark.matrix
def test_a_round_of_results_from_before_checks_the_base_and_lands_them(worked: Worked) -> None:
    done = worked({"plum.sh": "test -f pear.txt || exit 1\n"})
    carry_over(done, gone="apple")
    verdict = done.verify()

    assert verdict.round == 2
    assert done.landing(verdict) == ["pear", "plum"]
    assert done.files(verdict.commit) == {"pear.txt", "plum.txt"}
    assert done.faults(verdict) == {}  # it is lost, and nobody refused it
    assert verdict.checks == 2


def carry_over(done: Round, *, gone: str) -> None:
    """Turn the artifacts into a next round without work, where one commit is not on the server."""
    for one in done.history.tasks.values():
        if not one.task.startswith(gone):
            result = done.result(one.task)
            ref = f"refs/heads/concertmaster/{done.history.run}/{one.task}"
            fetch = ["fetch", "--quiet", done.share_of(one.task) / result["bundle"], f"{ref}:{ref}"]
            subprocess.run(["git", "-C", done.repository.folder, *fetch], check=True)
    tasks = by_name(carry(one, done.result(one.task)) for one in done.history.tasks.values())
    history = replace(done.history, round=2, tasks=tasks)
    folder = done.artifacts / "concertmaster-plan"
    (folder / HISTORY_FILE).write_bytes(write_history(history))
    plan = replace(run_folder.read_plan(folder), tasks=(), needs=(), exclusions=(), shares=())
    run_folder.write_plan(folder, plan)


def carry(one: TaskHistory, result: Mapping[str, Any]) -> TaskHistory:
    return replace(
        one,
        state=TaskState.SUCCEEDED,
        base=result["base"],
        head=result["head"],
        built_on=tuple(Built(**built) for built in result["built_on"]),
    )
