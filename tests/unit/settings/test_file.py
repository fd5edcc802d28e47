"""Tests reading concertmaster.yml."""

from __future__ import annotations

import pytest

from concertmaster.errors import UsageError
from concertmaster.settings.file import read_file
from tests.cpu_limit import cpu_limit


def test_merge_keys_are_read() -> None:
    found = read_file(b"a: &a {x: 1}\nb:\n  <<: *a\n  y: 2\n", "concertmaster.yml")
    assert found == {"a": {"x": 1}, "b": {"x": 1, "y": 2}}


def test_merge_keys_that_multiply_each_other_are_refused() -> None:
    levels = [f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    lines = ["a0: &a0 {x0: 1, x1: 1}", *levels]
    with pytest.raises(UsageError) as caught, cpu_limit(seconds=20):
        read_file("\n".join(lines).encode(), "concertmaster.yml")
    assert "merge keys" in caught.value.why
