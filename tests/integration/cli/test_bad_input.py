"""Bad input gives one clear message and the next step, and changes nothing."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from concertmaster.cli.main import main
from tests.commandline import OBEDIENT_COMMAND, Done, fingerprint, write_prompt
from tests.conftest import Project

AS_ROOT = os.geteuid() == 0
AGENT = ("--agent-command", "true")
PROMPTS: dict[str, str | bytes] = {
    "good.md": "# Good\n",
    "empty.md": "",
    "blank.md": "\n \n\t\n",
    "latin.md": b"# Caf\xe9\n",
    "binary.md": b"# A\0B\n",
    "utf16.md": "# A\r\n".encode("utf-16"),
    "huge.md": b"x" * ((1 << 20) + 1),
    "endless.md": "---\ntitle: A\n",
    "only-front.md": "---\ntitle: A\n---\n",
    "typo.md": "---\nneed: good.md\n---\n# A\n",
    "stranger.md": "---\nneeds: goood.md\n---\n# A\n",
    "selfish.md": "---\nneeds: selfish.md\n---\n# A\n",
    "hen.md": "---\nneeds: egg.md\n---\n# Hen\n",
    "egg.md": "---\nneeds: [hen.md]\n---\n# Egg\n",
    "agent.md": "---\nagent: clod\n---\n# A\n",
    "time.md": "---\nestimate: soon\n---\n# A\n",
    "colour.md": '---\ntitle: "a\\e[31mb"\n---\n# A\n',
}

Call = Callable[..., Done]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Return a function that runs the command line in this process.

    A process for each of the many cases would be slow.
    """

    def call(*arguments: str | Path, cwd: Path) -> Done:
        monkeypatch.chdir(cwd)
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Done(code=code, out=out, err=err)

    return call


@pytest.fixture
def shop(project: Project) -> Project:
    """A project with prompts of every kind, and with uncommitted changes of the user."""
    project.commit("Settings", {"concertmaster.yml": "check: 'true'\n"})
    for name, content in PROMPTS.items():
        path = project.root / "prompts" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    project.write({"a.txt": "staged\n"})
    project.git("add", "a.txt")
    project.write({"b.txt": "changed\n", "untracked.txt": "mine\n"})
    return project


def refuse(call: Call, project: Project, *arguments: str | Path, code: int, words: str) -> None:
    """Assert that the request is refused, with and without --json, and changes nothing."""
    before = fingerprint(project.root)
    done = call(*arguments, cwd=project.root)
    assert (done.code, done.out) == (code, ""), done
    lines = [line.partition(": ")[0] for line in done.err.splitlines()]
    assert lines in (["error", "next"], ["error", "why", "next"]), done.err
    assert words in done.err
    told = call(*arguments, "--json", cwd=project.root)
    assert told.code == code
    assert set(told.document["error"]) == {"what", "why", "next_step"}
    assert fingerprint(project.root) == before
    assert not (Path.home() / ".cache").exists()


# Prompts


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "no prompt files were given"),
        (["missing.md"], "there is no prompt file prompts/missing.md"),
        (["good.md", "missing.md"], "there is no prompt file prompts/missing.md"),
        (["."], "is a directory"),
        (["binary.md"], "binary"),
        (["utf16.md"], "it is UTF-16 text"),
        (["latin.md"], "line 1 is not UTF-8"),
        (["empty.md"], "it is empty"),
        (["blank.md"], "it is empty"),
        (["huge.md"], "larger than 1 MiB"),
        (["endless.md"], "not closed"),
        (["only-front.md"], "describes no work"),
        (["typo.md"], "unknown key 'need' in line 2; did you mean needs?"),
        (["stranger.md", "good.md"], "did you mean 'good.md'?"),
        (["stranger.md"], "not among the listed prompts"),
        (["selfish.md"], "prompts/selfish.md -> prompts/selfish.md"),
        (["hen.md", "egg.md"], "prompts/hen.md -> prompts/egg.md -> prompts/hen.md"),
        (["time.md"], "estimate in line 2"),
        (["agent.md"], "there is no agent named clod"),
        (["colour.md"], "title in line 2 holds a control character"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_a_bad_list_of_prompts_is_refused(
    call: Call, shop: Project, names: list[str], words: str
) -> None:
    prompts = [f"prompts/{name}" for name in names]
    refuse(call, shop, "run", *prompts, *AGENT, code=2, words=words)


def test_a_pipe_in_the_place_of_a_prompt_is_not_waited_for(call: Call, shop: Project) -> None:
    os.mkfifo(shop.root / "pipe.md")
    done = call("plan", "pipe.md", cwd=shop.root)
    assert done.code == 2
    assert "no regular file" in done.err


@pytest.mark.skipif(AS_ROOT, reason="root may read everything")
def test_an_unreadable_prompt_is_refused(call: Call, shop: Project) -> None:
    (shop.root / "prompts" / "good.md").chmod(0)
    done = call("plan", "prompts/good.md", cwd=shop.root)
    (shop.root / "prompts" / "good.md").chmod(stat.S_IRUSR)
    assert done.code == 2
    assert "cannot be read" in done.err


def test_a_prompt_listed_twice_makes_one_task_and_a_note(call: Call, shop: Project) -> None:
    same = shop.root / "prompts" / ".." / "prompts" / "good.md"
    done = call("plan", "prompts/good.md", same, "./prompts/good.md", "--json", cwd=shop.root)
    plan = done.document
    assert [task["prompt"] for task in plan["tasks"]] == ["prompts/good.md"]
    assert "prompts/good.md is listed more than once; it makes one task" in plan["notes"]


def test_files_of_the_same_name_in_two_folders_make_two_tasks(call: Call, shop: Project) -> None:
    shop.write({"other/good.md": "# Other\n"})
    plan = call("plan", "prompts/good.md", "other/good.md", "--json", cwd=shop.root).document
    assert [task["title"] for task in plan["tasks"]] == ["Good", "Other"]
    assert len({task["id"] for task in plan["tasks"]}) == 2


def test_prompts_may_lie_outside_the_repository(call: Call, shop: Project, tmp_path: Path) -> None:
    (tmp_path / "far.md").write_text("# Far\n")
    plan = call("plan", "../far.md", "--json", cwd=shop.root).document
    assert [task["prompt"] for task in plan["tasks"]] == [str(tmp_path / "far.md")]


def test_odd_file_names_are_as_good_as_others(call: Call, shop: Project) -> None:
    names = [b"caf\xe9.md", b"two\nlines.md", b"-x y.md", b"\x1b[31m.md", b"n" * 200 + b".md"]
    prompts = [Path(os.fsdecode(name)) for name in names]
    for number, prompt in enumerate(prompts):
        script = f"```sh\necho {number} > done-{number}.txt\n```\n"
        (shop.root / prompt).write_text(f"# Number {number}\n\n{script}")
    done = call("run", "--agent-command", OBEDIENT_COMMAND, "--", *prompts, cwd=shop.root)
    assert done.code == 0, done
    assert "\x1b" not in done.out + done.err
    assert all((shop.root / f"done-{number}.txt").exists() for number in range(len(names)))
    assert call("report", "--json", cwd=shop.root).code == 0
    assert call("plan", "--format=mermaid", "--", *prompts, cwd=shop.root).code == 0


@pytest.mark.parametrize(
    "name", ["concertmaster.yaml", ".github/concertmaster.yaml", ".concertmaster.yml"]
)
def test_settings_of_another_name_are_never_passed_over_in_silence(
    call: Call, shop: Project, name: str
) -> None:
    shop.git("stash")
    shop.commit("More settings", {name: "check: 'false'\n"})
    both = call("plan", "prompts/good.md", "--json", cwd=shop.root).document
    assert f"{name} is not read, because the settings are in concertmaster.yml" in both["notes"]
    shop.git("rm", "-q", "concertmaster.yml")
    shop.git("commit", "-qm", "One file")
    refuse(call, shop, "plan", "prompts/good.md", code=2, words=f"git mv {name} concertmaster.yml")


def test_a_directory_is_only_read_where_that_was_asked_for(call: Call, shop: Project) -> None:
    shop.write({"more/b.md": "# B\n", "more/deep/a.md": "# A\n", "more/c.txt": "no prompt"})
    plan = call("plan", "more", "--all-prompts", "--json", cwd=shop.root).document
    assert [task["prompt"] for task in plan["tasks"]] == ["more/b.md", "more/deep/a.md"]


# Options and settings


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--timeout", "0"], "`timeout` cannot be"),
        (["--timeout", "-5m"], "write 90s, 45m or 1h30m"),
        (["--timeout", "nan"], "write 90s, 45m or 1h30m"),
        (["--timeout", "soon"], "next: correct --timeout"),
        (["--budget", "0"], "`budget` cannot be 0.0"),
        (["--budget", "-1"], "next: correct --budget"),
        (["--budget", "nan"], "`budget` cannot be nan"),
        (["--budget", "inf"], "finite"),
        (["--budget", "much"], "'--budget': 'much'"),
        (["--parallel", "0"], "`parallel` cannot be '0'"),
        (["--parallel", "many"], "next: correct --parallel"),
        (["--phases", "implement,tset"], "`phases` cannot be 'tset'"),
        (["--landing", "merge-queue"], "'merge', 'branches', 'none'"),
        (["--agent", "clade"], "did you mean claude?"),
        (["--agent", "command", "--agent-command", ""], "has no command"),
        (["--agent", "codx"], "did you mean codex?"),
        (["--base", "nowhere"], "there is no commit 'nowhere'"),
        (["--target", "nowhere"], "there is no branch 'nowhere'"),
        (["--target", "HEAD"], "there is no branch 'HEAD'"),
        (["--check", " "], "there is no check"),
        (["--paralel", "3"], "next: see `concertmaster run --help`"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_bad_option_is_refused(call: Call, shop: Project, options: list[str], words: str) -> None:
    agent = () if "--agent" in options else AGENT
    refuse(call, shop, "run", "prompts/good.md", *agent, *options, code=2, words=words)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("chek: pytest\n", "concertmaster.yml has an unknown key `chek`; did you mean `check`?"),
        ("check: [\n", "concertmaster.yml is not valid YAML"),
        ("- check\n", "concertmaster.yml is not a mapping"),
        ("check: 'true'\nattempts: 0\n", "next: correct `attempts` in concertmaster.yml"),
        ("check: 'true'\nlanding: rebase\n", "`landing` cannot be 'rebase'"),
        ("setup: 'true'\n", "there is no check"),
        ("check: 'true'\ntarget: nowhere\n", "there is no branch 'nowhere'"),
        ("check: 'true'\nagent: clade\n", "did you mean claude?"),
        ("#" * (300 << 10), "larger than 256 KiB"),
    ],
    ids=lambda value: value[:12].strip(),
)
def test_a_bad_settings_file_is_refused(
    call: Call, project: Project, settings: str, words: str
) -> None:
    project.commit("Settings", {"concertmaster.yml": settings, "good.md": "# Good\n"})
    agent = () if "clade" in settings else AGENT
    refuse(call, project, "run", "good.md", *agent, code=2, words=words)


@pytest.mark.parametrize("value", ["", "lean", "implement, test"])
def test_phases_may_come_from_a_variable(
    call: Call, shop: Project, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CONCERTMASTER_PHASES", value)
    assert call("plan", "prompts/good.md", "--json", cwd=shop.root).code == 0


def test_a_bad_variable_is_named(
    call: Call, shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCERTMASTER_ATTEMPTS", "none")
    words = "next: correct the variable CONCERTMASTER_ATTEMPTS"
    refuse(call, shop, "run", "prompts/good.md", *AGENT, code=2, words=words)


def test_settings_are_read_from_the_base_and_not_from_the_checkout(
    call: Call, shop: Project
) -> None:
    shop.write({"concertmaster.yml": "chek: what an agent or a user has not committed\n"})
    assert call("plan", "prompts/good.md", cwd=shop.root).code == 0


def test_an_agent_that_is_not_installed_is_named_before_anything_starts(
    call: Call, shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join(["relative", "/usr/bin", "/bin"]))
    words = "npm install -g @anthropic-ai/claude-code"
    refuse(call, shop, "run", "prompts/good.md", code=3, words=words)


# Repositories


def test_outside_of_a_repository_there_is_a_clear_word(call: Call, tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("# Good\n")
    for command in (("run", "good.md"), ("status",), ("clean",), ("resume",)):
        done = call(*command, cwd=tmp_path)
        assert done.code == 3
        assert "is not a git repository" in done.err
        assert "next: " in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.md"]


def test_a_repository_without_a_commit_is_refused(call: Call, tmp_path: Path) -> None:
    project = Project(tmp_path / "new")
    project.git("update-ref", "-d", "HEAD")
    project.write({"good.md": "# Good\n"})
    refuse(call, project, "run", "good.md", *AGENT, code=3, words="has no commit yet")


def test_a_detached_head_needs_a_target(call: Call, shop: Project) -> None:
    shop.git("checkout", "--quiet", "--detach")
    words = "name one with --target BRANCH"
    refuse(call, shop, "run", "prompts/good.md", *AGENT, code=2, words=words)
    assert call("plan", "prompts/good.md", "--target", "main", cwd=shop.root).code == 0


def test_a_partial_clone_is_refused_with_the_command_that_completes_it(
    call: Call, shop: Project, tmp_path: Path
) -> None:
    shop.git("config", "uploadpack.allowFilter", "true")
    clone = Project(tmp_path / "scratch")
    clone.git("clone", "--quiet", "--filter=blob:none", f"file://{shop.root}", str(tmp_path / "c"))
    clone.root = tmp_path / "c"
    clone.write({"good.md": "# Good\n"})
    words = "git fetch --refetch --no-filter origin"
    refuse(call, clone, "run", "good.md", *AGENT, code=3, words=words)
    for command in ("fetch --quiet --refetch --no-filter origin", "config --unset-all"):
        key = ["remote.origin.promisor"] if command.startswith("config") else []
        clone.git(*command.split(), *key)
    assert call("plan", "good.md", cwd=clone.root).code == 0


def test_a_bare_repository_is_no_place_for_relative_prompts_but_for_a_run(
    call: Call, shop: Project, tmp_path: Path
) -> None:
    shop.git("clone", "--quiet", "--bare", str(shop.root), str(tmp_path / "bare.git"))
    (tmp_path / "good.md").write_text("# Good\n")
    plan = call("plan", "good.md", "--repo", "bare.git", "--json", cwd=tmp_path).document
    assert plan["target"] == "main"


def test_a_red_base_stops_the_run_before_an_agent_starts(call: Call, shop: Project) -> None:
    prompt = write_prompt(shop, "good", "touch started")
    before = fingerprint(shop.root)
    done = call(
        *("run", prompt, "--agent-command", OBEDIENT_COMMAND, "--check", "echo broken; exit 7"),
        cwd=shop.root,
    )
    assert done.code == 3
    assert "base is red (check `echo broken; exit 7` failed (exit 7): broken)" in done.out
    assert "next: make the check pass on main" in done.out
    assert "implement" not in done.err
    after = fingerprint(shop.root)
    # The plan is kept as objects of git, on a ref of ours.
    ours = ("/concertmaster", ".git/objects/")
    kept = {path: after[path] for path in after if not any(part in path for part in ours)}
    assert kept == {path: before[path] for path in before if ".git/objects/" not in path}
    assert not shop.root.with_name("project.attempts").exists()


def test_local_changes_in_the_way_of_landing_divert_it(call: Call, project: Project) -> None:
    prompt = write_prompt(project, "good", "echo landed >> a.txt; echo new > new.txt")
    project.write({"a.txt": "mine\n"})
    status = project.git("status", "--porcelain", "-uall")
    tip = project.git("rev-parse", "main")
    done = call(
        *("run", prompt, "--agent-command", OBEDIENT_COMMAND, "--check", "true"), cwd=project.root
    )
    assert done.code == 1, done
    assert project.git("rev-parse", "main") == tip
    assert project.git("status", "--porcelain", "-uall") == status
    assert (project.root / "a.txt").read_text() == "mine\n"
    branch = project.git("for-each-ref", "--format=%(refname:short)", "refs/heads/concertmaster")
    assert branch.endswith("/landed")
    assert project.git("show", f"{branch}:a.txt") == "a\nlanded"
    assert f"git merge --ff-only {branch}" in done.out
    project.git("checkout", "--quiet", "a.txt")
    project.git("merge", "--quiet", "--ff-only", branch)
    assert (project.root / "new.txt").read_text() == "new\n"


def test_a_target_that_is_deleted_during_a_run_diverts_the_landing(
    call: Call, project: Project
) -> None:
    script = f"echo 1 > new.txt; git -C '{project.root}' checkout --quiet -b other"
    script += f"; git -C '{project.root}' branch --quiet -D main"
    prompt = write_prompt(project, "good", script)
    done = call(
        *("run", prompt, "--agent-command", OBEDIENT_COMMAND, "--check", "true"), cwd=project.root
    )
    assert done.code == 1, done
    assert "main was deleted" in done.err
    branch = project.git("for-each-ref", "--format=%(refname:short)", "refs/heads/concertmaster")
    assert branch.endswith("/landed")
    assert project.git("show", f"{branch}:new.txt") == "1"


# Where the command is given


def test_a_subdirectory_is_as_good_as_the_root(call: Call, shop: Project) -> None:
    plan = call("plan", "../prompts/good.md", "--json", cwd=shop.root / "folder").document
    assert [task["prompt"] for task in plan["tasks"]] == ["prompts/good.md"]


def test_another_repository_may_be_named(call: Call, shop: Project, tmp_path: Path) -> None:
    done = call("plan", "project/prompts/good.md", "--repo", "project", "--json", cwd=tmp_path)
    assert [task["prompt"] for task in done.document["tasks"]] == ["prompts/good.md"]


def test_the_environment_of_a_git_hook_does_not_lead_astray(
    call: Call, shop: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Project(tmp_path / "other")
    before = fingerprint(other.root)
    tip = shop.git("rev-parse", "main")
    prompt = write_prompt(shop, "good", "echo done > done.txt")
    for name, value in {
        "GIT_DIR": other.root / ".git",
        "GIT_WORK_TREE": other.root,
        "GIT_INDEX_FILE": other.root / ".git" / "index",
        "GIT_PREFIX": "folder/",
        "GIT_AUTHOR_NAME": "Somebody",
    }.items():
        monkeypatch.setenv(name, str(value))
    done = call("run", prompt, "--agent-command", OBEDIENT_COMMAND, cwd=shop.root)
    assert done.code == 0, done
    monkeypatch.undo()
    assert fingerprint(other.root) == before
    assert shop.git("diff", "--name-only", tip, "main") == "done.txt"


def test_a_folder_that_cannot_be_written_is_an_error_in_words(call: Call, shop: Project) -> None:
    (shop.root / ".git" / "concertmaster").write_text("in the way\n")
    done = call("run", "prompts/good.md", *AGENT, cwd=shop.root)
    assert done.code == 3
    assert "concertmaster" in done.err
    assert "Traceback" not in done.err
    assert "next: " in done.err


def test_the_users_own_configuration_says_who_they_are(
    call: Call, shop: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("[user]\n\tname = Grace\n\temail = grace@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    for key in ("user.name", "user.email"):
        shop.git("config", "--unset", key)
    plan = call("plan", "prompts/good.md", "--json", cwd=shop.root).document
    assert plan["settings"]["requester"] == "Grace <grace@example.org>"


# Runs that do not exist


@pytest.mark.parametrize("command", ["resume", "status", "report", "cancel"])
def test_an_unknown_run_is_refused(call: Call, shop: Project, command: str) -> None:
    words = "there is no run 20200101-000000-abcd"
    refuse(call, shop, command, "20200101-000000-abcd", code=2, words=words)
    refuse(call, shop, command, "../../..", code=2, words="there is no run ../../..")


@pytest.mark.parametrize("command", ["resume", "report", "cancel"])
def test_without_any_run_there_is_nothing_to_go_on_with(
    call: Call, shop: Project, command: str
) -> None:
    refuse(call, shop, command, code=2, words="there is no run in this repository yet")


def test_status_without_any_run_is_no_error(call: Call, shop: Project) -> None:
    before = fingerprint(shop.root)
    done = call("status", cwd=shop.root)
    assert (done.code, done.out) == (0, "there is no run in this repository yet\n")
    assert call("status", "--json", cwd=shop.root).document == []
    assert fingerprint(shop.root) == before


# Documents


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["run", "--frob"], ["--frob"]])
def test_an_error_of_usage_is_one_document_as_well(
    call: Call, shop: Project, arguments: list[str]
) -> None:
    done = call(*arguments, "--json", cwd=shop.root)
    assert done.code == 2
    assert json.loads(done.out)["error"]["next_step"].startswith("see `concertmaster")


def test_without_a_command_the_help_is_shown(call: Call, shop: Project) -> None:
    done = call(cwd=shop.root)
    assert done.code == 0
    assert done.out.startswith("Usage: concertmaster [OPTIONS] COMMAND")
