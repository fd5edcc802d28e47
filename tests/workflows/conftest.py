from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.github.double import Double
from tests.workflows.parser import Parser


@pytest.fixture
def double(tmp_path: Path) -> Iterator[Double]:
    with Double(tmp_path / "hosting") as running:
        yield running


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser() as started:
        yield started
