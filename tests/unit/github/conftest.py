"""Provides an IssueClient that receives prepared answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import responses

from concertmaster.github.connection import Connection
from concertmaster.github.issues import IssueClient
from tests.unit.github.answers import SECRET, Clock, Registry


@pytest.fixture
def github() -> Iterator[Registry]:
    """Register answers; a test fails if one is not requested, or for any other request."""
    with responses.RequestsMock() as registry:
        yield registry


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def issue_client(clock: Clock, said: list[str]) -> IssueClient:
    return IssueClient(
        Connection(url="https://api.github.com", repository="ada/opera", token="ghs_token"),
        clock=clock,
        told=said.append,
        redact=lambda text: text.replace(SECRET, "***"),
    )
