"""Commands run as users that reach neither the engine nor other attempts."""

from __future__ import annotations

import os
from pathlib import Path

from concertmaster.git.run_repository import RunRepository
from concertmaster.sandbox import users
from concertmaster.sandbox.environment import shell_argv
from concertmaster.sandbox.guard_server import execute_as
from concertmaster.sandbox.supervisor import Guard
from concertmaster.sandbox.users import Account
from tests.conftest import Project
from tests.integration.sandbox.users.conftest import PATH, Do, Make, log
from tests.isolation import attack, needs_root

pytestmark = needs_root


def test_a_command_has_its_own_user_no_groups_and_no_way_to_more(make: Make, do: Do) -> None:
    worktree = make()
    uid = worktree.owner.uid
    assert uid >= users.FIRST_UID
    script = f"""
        set -e
        test "$(id -u):$(id -g):$(id -G)" = {uid}:{uid}:{uid}
        test "$(umask)" = 0077
        test "$(grep NoNewPrivs /proc/self/status | cut -f2)" = 1
        for set in CapInh CapPrm CapEff CapAmb; do
            test "$(grep $set: /proc/self/status | cut -f2)" = 0000000000000000
        done
        touch "$HOME/a" "$TMPDIR/b" c
        test "$(ls "$HOME")" = a
        echo said > /dev/stdout; echo said > /dev/stderr
    """
    ended = do(worktree, script)
    assert ended.ok, ended.describe()


def test_what_a_command_says_and_hears_can_be_opened_once_more(
    make: Make, guard: Guard, tmp_path: Path
) -> None:
    worktree, lines = make(), list[bytes]()
    ended = guard.run(
        shell_argv("cat < /dev/stdin > /dev/stdout; echo aside > /dev/stderr"),
        mark="isolation/streams",
        cwd=worktree.files,
        env=PATH,
        stdin=b"heard",
        log=tmp_path / "logs" / "log",
        on_line=lines.append,
        account=worktree.account,
    )
    assert (ended.ok, lines) == (True, [b"heard"])
    assert (tmp_path / "logs" / "log.stderr").read_text() == "aside\n"


def test_programs_that_make_others_root_do_not(make: Make, do: Do, tmp_path: Path) -> None:
    lift = tmp_path / "id"
    lift.write_bytes(Path("/usr/bin/id").read_bytes())
    lift.chmod(0o4755)
    worktree = make()
    assert do(worktree, f"{lift} -u; su -c id root </dev/null; sudo -n id; true").ok
    assert log(tmp_path).split()[0] == str(worktree.owner.uid)
    assert "uid=0" not in log(tmp_path)


def test_what_cannot_be_started_says_why(make: Make, guard: Guard, tmp_path: Path) -> None:
    worktree = make()

    def start(*argv: str, cwd: Path = worktree.files) -> str:
        ended = guard.run(
            argv,
            mark="isolation/none",
            cwd=cwd,
            env=PATH,
            log=tmp_path / "logs" / "log",
            account=worktree.account,
        )
        return ended.error

    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert start("no-such-program") == "no-such-program: No such file or directory"
    assert start("true", cwd=closed) == f"{closed}: Permission denied"
    assert start("true", "a\0b") == "embedded null byte"


def test_a_user_that_cannot_be_become_starts_nothing(guard: Guard, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    tmp_path.chmod(0o777)
    ended = guard.run(
        ["touch", str(witness)],
        mark="isolation/impossible",
        cwd=tmp_path,
        env=PATH,
        log=tmp_path / "log",
        account=Account(uid=-1),  # for setresuid, -1 means unchanged
    )
    assert ended.error == "user -1: it would have kept rights of ours"
    assert not witness.exists()


def test_who_may_not_become_another_user_starts_nothing() -> None:
    told, tell = os.pipe()
    request = {"cwd": "/", "argv": ["sh", "-c", "exit 3"], "env": PATH}
    pid = os.fork()
    if not pid:
        os.setresuid(71_000, 71_000, 71_000)
        execute_as(71_002, request, [], tell)
    os.close(tell)
    with os.fdopen(told) as file:
        assert file.read() == "user 71002: Operation not permitted"
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 127


def test_nothing_of_another_attempt_can_be_seen_or_changed(
    make: Make, do: Do, tmp_path: Path
) -> None:
    mine, other = make(), make()
    do(other, "echo secret > secret.txt; chmod -R 777 . ../git ../home $TMPDIR")
    attacks = {
        "nothing-at-all": "true",
        "list-all": f"ls {mine.folder.parent}",
        "list-mine": "ls ..",
        "list": f"ls {other.folder}",
        "enter": f"cd {other.files}",
        "read": f"cat {other.files}/secret.txt",
        "read-git": f"cat {other.folder}/git/HEAD",
        "write": f"echo x > {other.files}/x",
        "temporary": f"echo x > {other.temporary}/x",
        "home": f"echo x > {other.home}/x",
        "owner": "cat ../owner.json",
        "write-owner": "echo {} > ../owner.json || rm -f ../owner.json",
        "stray": "touch ../stray",
        "stray-above": "touch ../../stray",
        "rename": "mv ../project ../elsewhere",
        "replace": "rmdir ../home && ln -s / ../home",
    }
    do(mine, attack(attacks))
    assert log(tmp_path).split() == ["nothing-at-all"]


def test_the_runs_repository_can_be_read_but_not_written(
    make: Make, do: Do, run: RunRepository, project: Project, tmp_path: Path
) -> None:
    worktree = make()
    user = project.root / ".git"
    script = """
        set -e
        git log --oneline | cat
        echo more > more.txt
        git add --all; git commit --quiet -m more; git fsck --strict
        git status --porcelain
        echo GOOD
    """
    assert do(worktree, script).ok, log(tmp_path)
    assert log(tmp_path).split()[-1] == "GOOD"
    places = [path / more for path in (run.path, user) for more in ("x", "objects/x", "refs/x")]
    attacks = {f"write-{n}": f"touch {place}" for n, place in enumerate(places)}
    attacks["config"] = f"git --git-dir={run.path} config a.b c"
    do(worktree, "echo BEGIN;" + attack(attacks | {"nothing-at-all": "true"}))
    assert log(tmp_path).split("BEGIN")[1].split() == ["nothing-at-all"]


def test_neither_engine_nor_guard_can_be_read_or_signalled(
    make: Make, do: Do, tmp_path: Path
) -> None:
    users.disable_ptrace()
    others = """
        for process in /proc/[0-9]*; do
            test "$(stat -c %u $process)" = "$(id -u)" && continue
            grep -qa . $process/environ && exit 0
            ls $process/fd && exit 0
            head -c 1 $process/mem && exit 0
        done; exit 1
    """
    me = os.getpid()
    attacks = {
        "nothing-at-all": "true",
        "any": others,
        "environ": f"cat /proc/{me}/environ",
        "maps": f"cat /proc/{me}/maps",
        "signal": f"kill -0 {me}",
        "guard": "kill -0 $PPID",
        "guard-environ": "cat /proc/$PPID/environ",
        "init": "kill -0 1",
    }
    do(make(), attack(attacks))
    assert log(tmp_path).split() == ["nothing-at-all"]
