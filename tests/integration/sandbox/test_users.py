"""Commands that run as users of their own: they reach neither us nor each other."""

from __future__ import annotations

import os
import pwd
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from concertmaster.errors import EnvironmentFault
from concertmaster.git.run_repository import RunRepository
from concertmaster.sandbox import users
from concertmaster.sandbox.environment import shell_argv
from concertmaster.sandbox.exit_status import Exit
from concertmaster.sandbox.guard_server import execute_as, users_of_processes
from concertmaster.sandbox.supervisor import Guard, end_users
from concertmaster.sandbox.users import Account, Accounts, give_ownership
from concertmaster.worktrees.manager import Worktrees
from concertmaster.worktrees.worktree import Snapshot, Worktree
from tests.conftest import Project
from tests.isolation import attack, make_open_folder, needs_root

pytestmark = needs_root
tmp_path = pytest.fixture(make_open_folder)

AT = 1_700_000_000
PATH = {"PATH": os.defpath}


@pytest.fixture(scope="module")
def guard() -> Iterator[Guard]:
    with Guard() as guard:
        yield guard


@pytest.fixture(scope="module")
def accounts() -> Accounts:
    return Accounts()


@pytest.fixture
def run(project: Project, tmp_path: Path) -> RunRepository:
    project.commit("Ignore", {".gitignore": "*.ignored\n"})
    return RunRepository.create(tmp_path / "run" / "repository.git", user=project.open())


@pytest.fixture
def worktrees(
    run: RunRepository, project: Project, tmp_path: Path, accounts: Accounts
) -> Worktrees:
    cache = tmp_path / "cache"
    return Worktrees(run, user=project.open(), cache=cache, run="r1", accounts=accounts)


@pytest.fixture
def base(run: RunRepository, project: Project) -> str:
    return project.git("rev-parse", "HEAD")


Make = Callable[[], Worktree]


@pytest.fixture
def make(worktrees: Worktrees, base: str) -> Iterator[Make]:
    made: list[Worktree] = []

    def make() -> Worktree:
        number = len(made) + 1
        made.append(worktrees.create(base, task="task", attempt=number, branch="concertmaster/r/t"))
        return made[-1]

    yield make
    end_users([one.owner.uid for one in made])


Do = Callable[..., Exit]


@pytest.fixture
def do(guard: Guard, tmp_path: Path) -> Do:
    """Run a script in a worktree, as its user; its output is added to `log`."""

    def do(worktree: Worktree, script: str, *, timeout_seconds: float = 60.0) -> Exit:
        return guard.run(
            shell_argv(script),
            mark=f"isolation/{worktree.owner.uid}",
            cwd=worktree.files,
            env={**PATH, "HOME": str(worktree.home), "TMPDIR": str(worktree.temporary)},
            log=tmp_path / "logs" / "log",
            timeout_seconds=timeout_seconds,
            account=worktree.account,
        )

    return do


def log(folder: Path) -> str:
    return (folder / "logs" / "log").read_text()


def snap(worktree: Worktree, base: str) -> Snapshot:
    return worktree.snapshot(parent=base, message="Snapshot", at=AT)


def changed(run: RunRepository, base: str, snapshot: Snapshot) -> set[str]:
    return {change.path for change in run.changes(base, snapshot.commit)}


# Who they are


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
        account=Account(uid=-1),  # to the system: leave it as it is
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


def test_every_account_is_another_one(accounts: Accounts) -> None:
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: accounts.take(), range(40)))
    assert len({uid + more for uid in taken for more in (0, 1)}) == 80


def test_an_account_of_an_earlier_process_is_not_given_away() -> None:
    accounts = Accounts()
    first = accounts.take()
    accounts.reserve({first + 2, first + 5})
    assert accounts.take() == first + 6


def test_a_number_that_has_a_name_is_not_given_away(monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = Accounts()
    first = accounts.take()
    find_nobody = pwd.getpwuid

    def find(uid: int) -> pwd.struct_passwd:
        return find_nobody(0 if uid == first + 3 else uid)

    monkeypatch.setattr(pwd, "getpwuid", find)
    assert accounts.take() == first + 4


def test_a_user_that_runs_something_is_not_given_away() -> None:
    accounts = Accounts()
    first = accounts.take()
    with subprocess.Popen(["sleep", "60"], user=first + 2) as busy:
        assert accounts.take() == first + 4
        busy.kill()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("0 0 4294967295", (70_000, 2_000_000_000)),
        ("0 1000 1\n1 100000 65535", (61_440, 65_536)),
    ],
)
def test_numbers_are_high_ones_that_the_container_has(rows: str, expected: tuple[int, int]) -> None:
    assert users.free_range(rows) == expected


def test_a_container_with_too_few_users_is_refused() -> None:
    with pytest.raises(EnvironmentFault, match="too few"):
        users.free_range("0 1000 1")


# What they reach


def test_nothing_of_another_attempt_can_be_seen_or_changed(
    make: Make, do: Do, tmp_path: Path
) -> None:
    mine, other = make(), make()
    do(other, "echo secret > secret.txt; chmod -R 777 . ../git ../tmp ../home")
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
        "rename": "mv ../tree ../elsewhere",
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


# How they end

DAEMONS = {
    "session": "setsid sh -c 'trap \"\" TERM HUP; sleep 300; touch ../tree/late' &",
    "twice": "(setsid sh -c '(env -i setsid sleep 300 &) &' &) ; sleep 0.2",
    "namespace": "unshare -Urpf --mount-proc setsid sleep 300 & sleep 0.2",
    "stopped": "sh -c 'kill -STOP $$' & sleep 0.1",
}


@pytest.mark.parametrize("name", DAEMONS)
def test_nothing_of_a_user_runs_when_its_command_has_ended(make: Make, do: Do, name: str) -> None:
    worktree = make()
    assert do(worktree, DAEMONS[name] + "\ntrue").ok
    assert worktree.owner.uid not in users_of_processes()


BOMBS = {
    "fork": "ulimit -u 300; bomb() { bomb | bomb & bomb; }; bomb; sleep 300",
    "flee": 'ulimit -u 300; flee() { setsid sh -c "$0" & }; while :; do setsid sleep 300 & done',
    "avenger": "ulimit -u 100; while :; do (trap '' TERM; while kill -9 -1; do :; done) & done",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_ended_whole_and_in_time(make: Make, do: Do, name: str) -> None:
    worktree, began = make(), time.monotonic()
    do(worktree, BOMBS[name], timeout_seconds=0.5)
    assert worktree.owner.uid not in users_of_processes()
    assert time.monotonic() - began < 15


def test_a_stop_ends_what_left_the_tree_of_the_command(make: Make, do: Do, guard: Guard) -> None:
    worktree = make()
    ended: list[Exit] = []
    script = DAEMONS["twice"] + "\ntouch ready; sleep 300"
    thread = threading.Thread(target=lambda: ended.append(do(worktree, script)))
    thread.start()
    give_up_at = time.monotonic() + 20
    while not (worktree.files / "ready").exists() and time.monotonic() < give_up_at:
        time.sleep(0.01)
    guard.stop(f"isolation/{worktree.owner.uid}")
    thread.join()
    assert ended[0].stopped
    assert worktree.owner.uid not in users_of_processes()


def test_ending_one_user_leaves_all_others_alone(make: Make, do: Do) -> None:
    mine, other = make(), make()
    uid = other.owner.uid
    with subprocess.Popen(["sleep", "60"], user=uid) as busy:
        do(mine, "kill -9 -1; true")
        end_users([mine.owner.uid])
        assert busy.poll() is None
        end_users([uid])
        assert busy.wait() == -9


def test_removing_a_worktree_ends_what_runs_in_it(make: Make, worktrees: Worktrees) -> None:
    worktree = make()
    busy = subprocess.Popen(["sleep", "60"], user=worktree.owner.uid, cwd=worktree.files)
    worktrees.remove(worktree.folder)
    assert busy.wait() == -9
    assert not worktree.folder.exists()


def test_removing_a_worktree_removes_what_its_user_left_for_others(
    make: Make, do: Do, worktrees: Worktrees
) -> None:
    mine, other = make(), make()
    shared = Path("/tmp")
    script = "mkdir -p /tmp/$$/a; touch /tmp/$$/a/b; ln -s / /tmp/$$.link; chmod 0 /tmp/$$/a"
    assert do(mine, script).ok
    assert do(other, script).ok
    worktrees.remove(mine.folder)
    left = [path.lstat().st_uid for path in shared.iterdir()]
    assert (left.count(mine.owner.uid), left.count(other.owner.uid)) == (0, 2)
    worktrees.remove(other.folder)


def test_a_new_process_ends_what_runs_in_the_worktrees_that_it_takes_over(
    make: Make, worktrees: Worktrees
) -> None:
    worktree = make()
    busy = subprocess.Popen(["sleep", "60"], user=worktree.owner.uid, cwd=worktree.files)
    worktrees.discard_others([worktree.folder.name])
    assert busy.wait() == -9
    opened = worktrees.open(worktree.folder)
    assert opened is not None
    assert opened.account == worktree.account


# What we take from them


def test_work_is_taken_whatever_rights_it_has(
    make: Make, do: Do, run: RunRepository, base: str
) -> None:
    worktree = make()
    do(worktree, "mkdir -p d/e; echo 1 > d/e/f; echo 2 > g; rm a.txt; chmod 0 d/e/f d/e d g .")
    snapshot = snap(worktree, base)
    assert snapshot.notes == ()
    assert changed(run, base, snapshot) == {"d/e/f", "g", "a.txt"}


def test_a_fresh_worktree_shows_no_change_to_us_or_to_its_user(
    make: Make, do: Do, run: RunRepository, base: str, tmp_path: Path
) -> None:
    worktree = make()
    assert do(worktree, "git status --porcelain; git diff-files").ok
    assert log(tmp_path) == ""
    assert snap(worktree, base).tree == run.tree(base)


def test_a_file_of_ours_under_a_second_name_is_not_taken(
    make: Make, do: Do, run: RunRepository, base: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    worktree = make()
    do(worktree, "echo kept > kept.txt; rm a.txt b.txt; ln -s folder link")
    for name in ("stolen.txt", "a.txt"):
        os.link(secret, worktree.files / name)
    snapshot = snap(worktree, base)
    assert changed(run, base, snapshot) == {"kept.txt", "b.txt", "link"}
    assert snapshot.notes == tuple(
        f"{name} is left out: it is another user's" for name in ("a.txt", "stolen.txt")
    )


def test_a_folder_that_became_a_link_is_taken_as_one(
    make: Make, do: Do, run: RunRepository, base: str, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "c.txt").write_text("ours")
    worktree = make()
    do(worktree, f"rm -r folder; ln -s {outside} folder")
    snapshot = snap(worktree, base)
    assert snapshot.notes == ()
    assert changed(run, base, snapshot) == {"folder", "folder/c.txt"}
    assert run.changes(base, snapshot.commit)[0].link_target == str(outside)


def test_a_user_that_hides_folders_in_folders_can_be_restored(
    make: Make, do: Do, base: str
) -> None:
    worktree = make()
    (worktree.home / "mine").touch()
    deep = "for number in $(seq 1500); do mkdir d && cd d; done"
    assert do(worktree, f'(cd "$HOME" && {deep}) && cd "$TMPDIR" && {deep}').ok

    worktree.restore(base)

    assert (worktree.home / "mine").stat().st_uid == worktree.owner.uid
    worktree.remove()
    assert not worktree.folder.exists()


def test_giving_files_follows_no_link_and_takes_no_second_name(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    (folder / "below").mkdir(parents=True)
    outside.write_text("ours")
    (folder / "link").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path)
    os.link(outside, folder / "below" / "hard")
    give_ownership(folder, 71_234)
    assert (outside.stat().st_uid, tmp_path.stat().st_uid) == (0, 0)
    owners = {path.name: path.lstat().st_uid for path in folder.rglob("*")}
    assert owners == {"below": 71_234, "link": 71_234, "up": 71_234, "hard": 0}


def test_a_restored_worktree_belongs_to_its_user_again(
    make: Make, do: Do, base: str, tmp_path: Path
) -> None:
    worktree = make()
    do(worktree, "rm a.txt; echo x > x; rm -rf ../git/* .git; ln -s / .git; chmod 0 folder")
    worktree.restore(base)
    assert do(worktree, "set -e; echo 1 >> a.txt; git commit --quiet -am more; ls; id -u").ok
    assert log(tmp_path).split() == ["a.txt", "b.txt", "folder", str(worktree.owner.uid)]


def test_without_accounts_nobody_is_another_user(
    run: RunRepository, project: Project, tmp_path: Path, base: str
) -> None:
    worktrees = Worktrees(run, user=project.open(), cache=tmp_path / "alone", run="r1")
    worktree = worktrees.create(base, task="task", attempt=1, branch="concertmaster/r/t")
    assert worktree.account is None
    assert worktree.files.stat().st_uid == os.geteuid()
