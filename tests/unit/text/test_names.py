from __future__ import annotations

import pytest

from concertmaster.errors import UsageError
from concertmaster.text.names import find_unique

NAMES = ["20260101-120000-ab12", "20260101-120000-cd34", "20260102-120000-ab99", "20260101"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("20260102", NAMES[2]),
        ("cd34", NAMES[1]),
        ("20260101", "20260101"),
        (NAMES[0], NAMES[0]),
        ("", ""),
        ("x", ""),
    ],
)
def test_a_part_of_a_name_means_the_only_name_that_has_it(name: str, found: str) -> None:
    assert find_unique(name, NAMES, what="run") == found


def test_a_part_that_several_names_have_is_refused_with_these_names() -> None:
    with pytest.raises(UsageError) as caught:
        find_unique("20260101-", NAMES, what="run")

    assert caught.value.what == "'20260101-' may be any of 2 runs"
    assert f"{NAMES[0]}, {NAMES[1]}" in caught.value.why
