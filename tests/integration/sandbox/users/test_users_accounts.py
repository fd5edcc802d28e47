"""User ids of attempts are ones that nothing else on the machine uses."""

from __future__ import annotations

import pwd
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from concertmaster.errors import EnvironmentFault
from concertmaster.sandbox import users
from concertmaster.sandbox.users import Accounts
from tests.isolation import needs_root

pytestmark = needs_root


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
