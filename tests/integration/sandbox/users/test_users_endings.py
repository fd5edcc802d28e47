"""All processes of an attempt's user end with its command or its worktree."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from concertmaster.sandbox.exit_status import Exit
from concertmaster.sandbox.process_tree import users_of_processes
from concertmaster.sandbox.shared_memory import remove_shared_memory
from concertmaster.sandbox.supervisor import Guard, end_users
from concertmaster.worktrees.manager import Worktrees
from tests.conftest import wait_until
from tests.integration.sandbox.users.conftest import Do, Make
from tests.isolation import needs_root

pytestmark = needs_root

DAEMONS = {
    "session": "setsid sh -c 'trap \"\" TERM HUP; sleep 300; touch ../project/late' &",
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


@pytest.mark.matrix
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_ended_whole(make: Make, do: Do, name: str) -> None:
    worktree = make()
    do(worktree, BOMBS[name], timeout_seconds=0.5)
    assert worktree.owner.uid not in users_of_processes()


def test_a_stop_ends_what_left_the_tree_of_the_command(make: Make, do: Do, guard: Guard) -> None:
    worktree = make()
    ended: list[Exit] = []
    script = DAEMONS["twice"] + "\ntouch ready; sleep 300"
    thread = threading.Thread(target=lambda: ended.append(do(worktree, script)))
    thread.start()
    wait_until((worktree.files / "ready").exists)
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


def owners_in(folder: Path) -> Iterator[int]:
    """Yield the user of each entry. Other tests use the folder, too."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            yield path.lstat().st_uid


def test_removing_a_worktree_removes_what_its_user_left_for_others(
    make: Make, do: Do, worktrees: Worktrees
) -> None:
    mine, other = make(), make()
    script = "mkdir -p /tmp/$$/a; touch /tmp/$$/a/b; ln -s / /tmp/$$.link; chmod 0 /tmp/$$/a"
    assert do(mine, script).ok
    assert do(other, script).ok
    worktrees.remove(mine.folder)
    left = [*owners_in(Path("/tmp"))]
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


MEMORY = """python3 - <<'END'
import ctypes
library = ctypes.CDLL(None)
made = (library.shmget(0, 4096, 0o1600), library.msgget(0, 0o1600), library.semget(0, 1, 0o1600))
assert min(made) >= 0, made
END
"""


def test_shared_memory_queues_and_semaphores_go_with_the_worktree(
    make: Make, do: Do, worktrees: Worktrees
) -> None:
    worktree, other = make(), make()
    for one in (worktree, other):
        assert do(one, MEMORY).ok
    worktrees.remove(worktree.folder)
    assert remove_shared_memory(worktree.owner.uid) == 0
    assert remove_shared_memory(other.owner.uid) == 3
