"""Two agents that work together cannot steer what we do as root in the folders of one of them."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from concertmaster.sandbox.exit_status import Exit
from concertmaster.sandbox.guard_server import become
from concertmaster.worktrees import removal
from concertmaster.worktrees.closing import close_folders
from concertmaster.worktrees.manager import Worktrees
from tests.integration.sandbox.users.conftest import Do, Make, snap
from tests.isolation import needs_root

pytestmark = needs_root


@contextmanager
def handed(folder: Path) -> Iterator[int]:
    """Yield a descriptor of the folder, as an agent gets it from another one."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def as_user(uid: int, act: Callable[[], object]) -> int:
    """Return 0 if the user can do it, else the number of the error."""
    child = os.fork()
    if not child:
        try:
            become(uid)
            act()
            os._exit(0)
        except OSError as error:
            os._exit(error.errno or 255)
        finally:
            os._exit(255)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def swap(descriptor: int, name: str = "folder") -> Callable[[], object]:
    """Return an act that puts a link in the place of a folder."""

    def act() -> None:
        os.rename(name, f"{name}.aside", src_dir_fd=descriptor, dst_dir_fd=descriptor)
        os.symlink("/", name, dir_fd=descriptor)

    return act


OPENED = "mkdir -p folder/deep/er; chmod -R 777 ."


def test_without_closing_another_agent_can_swap_a_folder(make: Make, do: Do) -> None:
    """The way of the attack, so that the tests below are not green for another reason."""
    worktree, other = make(), make()
    assert do(worktree, OPENED).ok
    with handed(worktree.files) as descriptor:
        assert as_user(other.owner.uid, swap(descriptor)) == 0
    assert worktree.files.joinpath("folder").is_symlink()


@pytest.mark.parametrize("where", ["", "folder", "folder/deep", "home", "tmp"])
def test_a_descriptor_of_a_folder_is_worth_nothing_once_it_is_closed(
    make: Make, do: Do, where: str
) -> None:
    worktree, other = make(), make()
    script = f"{OPENED}; for it in $HOME $TMPDIR; do mkdir $it/er; chmod -R 777 $it; done"
    assert do(worktree, script).ok
    places = {"home": worktree.home, "tmp": worktree.temporary}
    place = places.get(where, worktree.files / where)
    name = "er" if where not in ("", "folder") else {"": "folder", "folder": "deep"}[where]
    with handed(place) as descriptor:
        worktree.close_to_others()
        assert as_user(other.owner.uid, swap(descriptor, name)) == errno.EACCES
        assert as_user(worktree.owner.uid, swap(descriptor, name)) == 0


def test_a_folder_that_another_agent_made_there_is_taken_from_it(make: Make, do: Do) -> None:
    worktree, other = make(), make()
    assert do(worktree, OPENED).ok
    with handed(worktree.files) as descriptor:
        made = as_user(
            other.owner.uid, lambda: Path(f"/proc/self/fd/{descriptor}/its/in").mkdir(parents=True)
        )
        assert made == 0
        with handed(worktree.files / "its") as its:
            worktree.close_to_others()
            assert as_user(other.owner.uid, lambda: os.fchmod(its, 0o777)) == errno.EPERM
            assert as_user(other.owner.uid, swap(its, "in")) == errno.EACCES


def test_no_link_is_followed_while_folders_are_closed(make: Make, do: Do, tmp_path: Path) -> None:
    worktree = make()
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o777)
    outside.chmod(0o777)
    assert do(worktree, f"ln -s {outside} link; mkdir a; ln -s {outside} a/link").ok
    worktree.close_to_others()
    close_folders(worktree.files / "link", worktree.owner.uid)
    assert outside.stat().st_mode & 0o777 == 0o777
    assert outside.stat().st_uid == 0


def test_a_command_of_a_run_closes_the_folders_when_it_ends(
    make: Make, do: Do, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What git reads for a snapshot cannot be swapped: the swap comes as early as it can."""
    worktree, other = make(), make()
    codes: list[int] = []
    assert do(worktree, f"{OPENED}; echo x > folder/new.txt").ok
    with handed(worktree.files) as descriptor:
        worktree.close_to_others()
        ask = type(worktree._git).ask

        def spy(*args: object, **more: object) -> object:
            codes.append(as_user(other.owner.uid, swap(descriptor)))
            return ask(*args, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(type(worktree._git), "ask", spy)
        snap(worktree, base)
    assert {*codes} == {errno.EACCES}


def test_what_is_too_deep_for_a_path_is_closed_before_it_is_removed(
    make: Make, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    worktree, other = make(), make()
    levels = 1200  # more than `rmtree` can descend, and a path that is too long to open
    nest = f"import os; [(os.mkdir('deep'), os.chdir('deep')) for _ in range({levels})]"
    end = "os.makedirs('last/in'); os.chmod('last', 0o777); os.chmod('last/in', 0o777)"
    assert do(worktree, f'python3 -c "{nest}; {end}"').ok
    way = os.open(worktree.files, os.O_RDONLY)
    for _ in range(levels):
        inner = os.open("deep", os.O_RDONLY, dir_fd=way)
        os.close(way)
        way = inner
    descriptor = os.open("last", os.O_RDONLY, dir_fd=way)
    os.close(way)
    codes: list[int] = []
    listed = removal.is_folder

    def spy(path: Path) -> bool:
        if path.name == "in":
            codes.append(as_user(other.owner.uid, swap(descriptor, "in")))
        return listed(path)

    monkeypatch.setattr(removal, "is_folder", spy)
    worktree.remove()
    os.close(descriptor)
    assert not worktree.folder.exists()
    assert codes
    assert {*codes} == {errno.EACCES}


def _scopes() -> bool:
    """Return whether the kernel can scope abstract sockets (Linux 6.12)."""
    release = os.uname().release.split(".")
    return sys.platform == "linux" and (int(release[0]), int(release[1])) >= (6, 12)


@pytest.mark.skipif(not _scopes(), reason="the kernel cannot scope abstract sockets")
def test_no_agent_reaches_an_abstract_socket_of_another(make: Make, do: Do) -> None:
    name = f"concertmaster-test-{os.getpid()}"
    talk = 'python3 -c "import socket; s = socket.socket(socket.AF_UNIX); {}"'
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        ended: Exit = do(make(), talk.format(f"s.connect(chr(0) + '{name}')"))
    assert not ended.ok
    own = "s.bind(chr(0) + 'x'); s.listen(); socket.socket(socket.AF_UNIX).connect(chr(0) + 'x')"
    assert do(make(), talk.format(own)).ok


def test_opening_a_worktree_again_closes_it(make: Make, do: Do, worktrees: Worktrees) -> None:
    """The engine may have died between the end of a command and the closing."""
    worktree, other = make(), make()
    assert do(worktree, OPENED).ok
    with handed(worktree.files) as descriptor:
        assert worktrees.open(worktree.folder)
        assert as_user(other.owner.uid, swap(descriptor)) == errno.EACCES
