"""Tests that attempts run as users of their own who cannot reach the job's files."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from concertmaster.action.federation import federated
from concertmaster.action.isolation import ATTEMPTS, isolated_users
from concertmaster.action.job import Job
from concertmaster.agents.clouds import CREDENTIAL_FILES
from concertmaster.engine import local_run as runs
from concertmaster.engine.find_run import runs_folder
from concertmaster.engine.run_home import RunHome
from concertmaster.errors import EnvironmentFault
from concertmaster.git.repository import Repository
from concertmaster.landing.path_policy import RunPlace
from concertmaster.planning.build_plan import make_plan
from concertmaster.planning.checkout import PlanRequest
from concertmaster.report.model import Report
from concertmaster.sandbox import users
from concertmaster.sandbox.environment import ALLOWED_NAMES
from concertmaster.sandbox.process_tree import users_of_processes
from concertmaster.sandbox.supervisor import Guard
from concertmaster.settings.action_inputs import ActionSettings
from concertmaster.terminal.console import Console
from tests.action.cloud_double import reach, serve_cloud
from tests.conftest import Project
from tests.isolation import attack, make_open_folder, needs_root

tmp_path = pytest.fixture(make_open_folder)

# The agent runs the script in the fenced block of its prompt.
AGENT = """\
sed -n '/^```sh$/,/^```$/p' | sed '1d;$d' > "$TMPDIR/script"
sh "$TMPDIR/script"
"""
SECRET = "ghs_0123456789abcdef0123456789abcdef0123"
FILES = ("env", "path", "output", "summary", "state")


@dataclass(kw_only=True)
class Scene:
    """A job's folders as the runner creates them, and a repository to work on."""

    folder: Path
    project: Project

    @property
    def temporary(self) -> Path:
        return self.folder / "temp"

    @property
    def commands(self) -> Path:
        return self.temporary / "_runner_file_commands"

    def job(self, **inputs: Any) -> Job:
        names = {"GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": "summary"}
        paths = {name: str(self.commands / file) for name, file in names.items()}
        settings = {
            "github_token": SECRET,
            "isolation": "user",
            "GITHUB_EVENT_PATH": str(self.temporary / "_github_workflow" / "event.json"),
            "RUNNER_TEMP": str(self.temporary),
            **paths,
            **inputs,
        }
        environment = {
            "PATH": os.defpath,
            "GITHUB_TOKEN": SECRET,
            "INPUT_GITHUB_TOKEN": SECRET,
            "HOME": str(self.temporary / "_github_home"),
            **{f"GITHUB_{name.upper()}": str(self.commands / name) for name in FILES[:2]},
        }
        said = io.StringIO()
        return Job(
            settings=ActionSettings(**settings),
            console=Console(said, said, terminal=False, json=False),
            environment=environment,
        )


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    scene = Scene(folder=tmp_path, project=Project(tmp_path / "temp/concertmaster/repository"))
    for name in ("_github_home", "_github_workflow", "_runner_file_commands"):
        (scene.temporary / name).mkdir()
    for name in FILES:
        (scene.commands / name).write_text("")
        (scene.commands / name).chmod(0o666)
    (scene.temporary / "_github_workflow" / "event.json").write_text("{}")
    (scene.temporary / "git-credentials-1.config").write_text(SECRET)
    return scene


def attacks(scene: Scene) -> dict[str, str]:
    """Return the scripts of the attacks by name. They know all paths, which no agent is told."""
    job, git = scene.temporary / "concertmaster", scene.project.root / ".git"
    run, me = f"{git}/concertmaster/runs/RUN", os.getpid()
    known = [*scene.temporary.iterdir(), *scene.commands.iterdir(), job / "artifacts", job]
    opened = {f"look-{n}-{it.name}": f"cat {it} || ls {it}/" for n, it in enumerate(known)}
    written = {
        f"write-{n}-{it.name}": f"echo x >> {it} || touch {it}/x" for n, it in enumerate(known)
    }
    return (
        opened
        | written
        | {
            "environ": f"cat /proc/{me}/environ",
            "token": f"env | grep -q -e {SECRET} -e GITHUB_ -e INPUT_",
            "signal": f"kill -0 {me} || kill -0 1",
            "attempts": f"ls {job}/{ATTEMPTS}",
            "run": f"ls {run}",
            "journal": f"cat {run}/journal.jsonl",
            "write-journal": f"echo x >> {run}/journal.jsonl",
            "plan": f"cat {run}/plan.json",
            "prompts": f"ls {run}/prompts",
            "tasks": f"ls {run}/tasks",
            "indexes": f"ls {run}/indexes",
            "repository": f"touch {run}/repository.git/x",
            "objects": f"touch {run}/repository.git/objects/x {git}/objects/x",
            "checkout": f"touch {scene.project.root}/x {git}/config {git}/hooks/pre-commit",
            "root": "sudo -n true || su -c true",
        }
    )


@dataclass(kw_only=True)
class Outcome:
    run: Path
    report: Report
    users: set[int]


def perform(
    scene: Scene,
    prompts: dict[str, str],
    *,
    check: str,
    isolation: str = "user",
    variables: Mapping[str, str] = {},
    inputs: Mapping[str, Any] = {},
    **options: Any,
) -> Outcome:
    """Run these scripts as agents of a job and return what came of it.

    `variables` are those that the workflow gives to each agent, `inputs` those of the job.
    """
    command = {"agent": "command", "agent_command": "sh agent.sh"}
    texts = {f"prompts/{k}.md": f"# Do {k}\n\n```sh\n{v}\n```\n" for k, v in prompts.items()}
    scene.project.commit("Prompts", {**texts, "agent.sh": AGENT})
    repository = Repository.open(scene.project.root)
    asked = PlanRequest(
        repository=scene.project.root,
        prompts=tuple(scene.project.root / path for path in texts),
        base="",
        all_prompts=False,
        options={**command, "check": check, "parallel": 2, **options},
    )
    planned, job = make_plan(asked), scene.job(isolation=isolation, **inputs)
    run = runs_folder(repository) / planned.plan.run
    texts_of = {
        blob: data.replace(b"RUN", planned.plan.run.encode())
        for blob, data in planned.texts.items()
    }
    planned = type(planned)(plan=planned.plan, repository=repository, texts=texts_of)
    with (
        isolated_users(job) as accounts,
        Guard() as guard,
        job.console.progress() as told,
        federated(job, is_isolated=accounts is not None) as with_access,
    ):
        home = RunHome(
            cache=job.folder / ATTEMPTS,
            environment={**with_access.environment, **variables},
            agent_names=with_access.agent_variables.names | frozenset(variables),
            place=RunPlace.GITHUB,
            accounts=accounts,
        )
        ran = runs.start_run(planned, home, progress=told, guard=guard)
    return Outcome(run=run, report=ran.report, users=users_of_processes())


@needs_root
def test_a_hostile_agent_gets_nothing_and_the_honest_ones_land(scene: Scene) -> None:
    daemon = f"(setsid sh -c 'sleep 600; echo late > late.txt; touch {scene.folder}/late' &)"
    (scene.temporary / "concertmaster" / "artifacts").mkdir()
    script = attack({"nothing-at-all": "true", **attacks(scene)})
    hostile = f"( {script} ) > loot.txt; {daemon}\nid -u > id.txt; chmod 0 loot.txt"
    before = {path: path.lstat().st_mode for path in scene.temporary.rglob("*")}

    done = perform(
        scene,
        {"hostile": hostile, "honest": "echo honest > honest.txt; id -u > honest-id.txt"},
        check="! test -e late.txt",
    )

    assert [task.state for task in done.report.tasks] == ["landed", "landed"], done.report
    show = scene.project.git
    assert show("show", "main:loot.txt") == "nothing-at-all"
    assert show("show", "main:honest.txt") == "honest"
    uids = {int(show("show", f"main:{name}")) for name in ("id.txt", "honest-id.txt")}
    assert len(uids) == 2
    assert not uids & done.users
    assert not (scene.folder / "late").exists()
    after = {path: path.lstat().st_mode for path in before if path.exists()}
    assert after == {path: before[path] for path in after}  # the permissions are restored
    assert {path.read_text() for path in scene.commands.iterdir()} == {""}


@needs_root
def test_agents_read_the_files_that_their_variables_name_and_checks_their_certificates(
    scene: Scene,
) -> None:
    """The files lie in a folder of the job, which is closed to both."""
    place, names = scene.temporary / "_github_home", sorted(CREDENTIAL_FILES)
    for name in names:
        (place / name).write_text(name)
        (place / name).chmod(0o600)
    given = {name: str(place / name) for name in names} | {"HTTPS_PROXY": "http://proxy:3128"}
    read = "; ".join(f'cat "${name}"; echo' for name in names)
    closed = f"! ls {place} && ! cat {place / names[0]} && echo closed"
    certificates = " && ".join(f'grep -q {name} "${name}"' for name in ALLOWED_NAMES & {*names})

    done = perform(
        scene,
        {"one": f'( {read}; echo "$HTTPS_PROXY"; {closed} ) > seen.txt'},
        check=f'{certificates} && test "$HTTPS_PROXY" && ! test "$CODEX_CA_CERTIFICATE"',
        variables=given,
    )

    assert [task.state for task in done.report.tasks] == ["landed"], done.report
    seen = scene.project.git("show", "main:seen.txt").split()
    assert seen == [*names, "http://proxy:3128", "closed"]
    assert [*scene.temporary.rglob(names[0])] == [place / names[0]]  # the copies are gone


# It does what Google's libraries do. It writes the end of the token, since no task may land one.
ASK_GOOGLE = r"""
url=$(sed 's/.*"token_url": "http:..\([^"]*\)".*/\1/' "$GOOGLE_APPLICATION_CREDENTIALS")
port=${url%%/*}
exec 3<>/dev/tcp/127.0.0.1/${port#*:}
printf 'POST /%s HTTP/1.0\r\nContent-Length: 0\r\n\r\n' "${url#*/}" >&3
sed -n 's/.*"access_token": "ya29.d.\([^"]*\)".*/\1/p' <&3 > token.txt
env | grep -c -e ^ACTIONS_ -e ^INPUT_ >> token.txt || true
"""


@needs_root
def test_an_attempt_gets_a_token_of_a_cloud_and_nothing_to_ask_with(scene: Scene) -> None:
    with serve_cloud() as cloud:
        cloud.answers = [(200, {"access_token": f"ya29.d.{'t' * 30}", "expires_in": 3599})]
        provider = "projects/1/locations/global/workloadIdentityPools/p/providers/x"
        inputs = {**reach(cloud), "google_provider": provider}
        script = f"bash <<'END'\n{ASK_GOOGLE}END"

        done = perform(scene, {"one": script}, check="true", inputs=inputs)

    assert [task.state for task in done.report.tasks] == ["landed"], done.report
    assert scene.project.git("show", "main:token.txt") == f"{'t' * 30}0"


@pytest.mark.matrix
@needs_root
def test_a_hostile_check_gets_nothing_either(scene: Scene) -> None:
    (scene.temporary / "concertmaster" / "artifacts").mkdir()
    script = attack({"nothing-at-all": "true", **attacks(scene)})
    scene.project.commit("A check", {"check.sh": f"{script}\nid -u\n"})

    done = perform(scene, {"honest": "echo honest > honest.txt"}, check="sh check.sh")

    assert [task.state for task in done.report.tasks] == ["landed"]
    logs = [path.read_text().split() for path in sorted((done.run / "tasks").rglob("check.log"))]
    assert {log[0] for log in logs} == {"nothing-at-all"}
    assert {len(log) for log in logs} == {2}
    assert len({log[1] for log in logs}) == len(logs) >= 2  # each attempt has a user of its own


@needs_root
def test_artifacts_belong_to_the_runner_even_if_the_job_is_killed(scene: Scene) -> None:
    os.chown(scene.temporary, 1001, 1001)
    job = scene.job()
    with isolated_users(job):
        info = job.artifacts.stat()
        assert (info.st_uid, stat.S_IMODE(info.st_mode) & 0o707) == (1001, 0o700)


@needs_root
def test_by_itself_a_job_isolates_where_it_is_root(scene: Scene) -> None:
    with isolated_users(scene.job(isolation="auto")) as accounts:
        assert accounts is not None


def test_without_isolation_nothing_is_closed(scene: Scene) -> None:
    with isolated_users(scene.job(isolation="none")) as accounts:
        assert accounts is None
        assert stat.S_IMODE((scene.commands / "env").stat().st_mode) == 0o666


def test_isolation_that_cannot_be_had_is_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users, "is_root", lambda: False)
    with (
        pytest.raises(EnvironmentFault, match="users of their own"),
        isolated_users(scene.job(isolation="user")),
    ):
        pytest.fail("it has begun")


@needs_root
def test_a_folder_that_attempts_cannot_reach_is_refused_before_anything_starts(
    scene: Scene,
) -> None:
    scene.folder.chmod(0o700)
    with (
        pytest.raises(EnvironmentFault, match="is closed to what agents and checks run as"),
        isolated_users(scene.job()),
    ):
        pytest.fail("it has begun")
