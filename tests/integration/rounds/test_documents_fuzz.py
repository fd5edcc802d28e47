"""Tests that arbitrary documents are read or refused, without any other error."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from concertmaster.errors import EnvironmentFault
from concertmaster.rounds.documents import (
    RESULTS_FILE,
    VERDICT_FILE,
    read_history,
    read_verdict,
    write_history,
)
from tests.conftest import SHARED_FIXTURES
from tests.integration.rounds.job_documents import (
    BASE,
    BREAD,
    FRUIT,
    HISTORY,
    ONE,
    RESULTS,
    RUN,
    VERDICT,
    put,
    read_share,
)

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([FRUIT, BREAD, BASE, ONE, RUN, "succeeded", "failed", ""]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
fuzz = settings(suppress_health_check=SHARED_FIXTURES)


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values in a document."""
    found = [path]
    if isinstance(value, dict):
        found += [way for key in value for way in places(value[key], (*path, key))]
    elif isinstance(value, list | tuple):
        found += [way for at, one in enumerate(value) for way in places(one, (*path, at))]
    return found


def changed(value: Any, way: tuple[Any, ...], new: object) -> Any:
    if not way:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[way[0]] = changed(copy[way[0]], way[1:], new)
    return copy


@st.composite
def bent(draw: st.DrawFn, whole: Any) -> bytes:
    """Draw a document in which some values are replaced by arbitrary ones."""
    for _ in range(draw(st.integers(1, 3))):
        ways = [way for way in places(whole) if way]
        whole = changed(whole, draw(st.sampled_from(ways)), draw(ANYTHING))
        if not isinstance(whole, dict | list):
            break
    return json.dumps(whole).encode()


@fuzz
@given(data=bent(asdict(RESULTS)) | st.binary())
def test_results_are_read_or_refused_whatever_they_are(tmp_path: Path, data: bytes) -> None:
    put(tmp_path, RESULTS_FILE, data)
    try:
        found = read_share(tmp_path)
    except EnvironmentFault:
        return
    assert {one.task for one in found.tasks} <= {FRUIT, BREAD}


@fuzz
@given(data=bent(asdict(VERDICT)) | st.binary())
def test_verdicts_are_read_or_refused_whatever_they_are(tmp_path: Path, data: bytes) -> None:
    put(tmp_path, VERDICT_FILE, data)
    try:
        found = read_verdict(tmp_path, history=HISTORY)
    except EnvironmentFault:
        return
    assert (found.run, found.round, found.target) == (RUN, 2, "main")


@fuzz
@given(data=bent(asdict(HISTORY)) | st.binary())
def test_histories_are_read_or_refused_whatever_they_are(data: bytes) -> None:
    try:
        found = read_history(data)
    except EnvironmentFault:
        return
    assert read_history(write_history(found)) == found
