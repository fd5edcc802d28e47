"""Generates lines of agent output, with odd events among them, and checks how they are read."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hypothesis import strategies as st

from concertmaster.agents.protocol import OutputReader

_KEYS = st.sampled_from(
    """
    type message content role delta status error stats models input_tokens cached output_tokens
    total_tokens cached_input_tokens usage item text command changes path thread_id session_id
    model severity parameters tool_name
    """.split()
)
_SCALARS = st.sampled_from(
    (None, True, False, -1, 7, 10**400, 0.5, float("nan"), float("inf"), "success", "\ud800")
)
_VALUES = st.recursive(
    _SCALARS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_KEYS, inner, max_size=2),
    max_leaves=4,
)


def lines_of_events(kinds: Sequence[str]) -> st.SearchStrategy[list[bytes]]:
    """Return a strategy for up to five lines: arbitrary bytes, or events of these kinds."""
    events = st.builds(
        lambda kind, event: json.dumps({**event, "type": kind}).encode(),
        st.sampled_from(kinds),
        st.dictionaries(_KEYS, _VALUES, max_size=4),
    )
    return st.lists(st.binary() | events, max_size=5)


def lines_of_messages(updates: Sequence[str]) -> st.SearchStrategy[list[bytes]]:
    """Return a strategy for up to five messages of JSON-RPC, with updates of these kinds."""
    inner = st.dictionaries(_KEYS, _VALUES, max_size=4)
    answers = st.builds(
        lambda number, key, value: {"id": number, key: value},
        st.sampled_from([0, 1, 2, 3, 4, None, True, "4"]),
        st.sampled_from(["result", "error"]),
        inner | _VALUES,
    )
    told = st.builds(
        lambda kind, more: {
            "method": "session/update",
            "params": {"update": {**more, "sessionUpdate": kind}},
        },
        st.sampled_from(updates),
        inner,
    )
    return st.lists((answers | told).map(lambda message: json.dumps(message).encode()), max_size=5)


def check_reading(reader: OutputReader, lines: Sequence[bytes]) -> None:
    """Assert that the reader shows and reports printable text, whatever the lines are."""
    for line in lines:
        shown = reader.feed(line)
        assert shown is None or (shown.tool + shown.subject).isprintable()
    report = reader.finish(exit_ok=True, exit_text="exit 0")

    assert report.ok != bool(report.reason)
    assert report.reason.isprintable()
    assert 0 <= (report.usage.cost_usd or 0) < float("inf")
    report.final_text.encode()
