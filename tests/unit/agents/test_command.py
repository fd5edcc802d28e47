"""The command reader reports success by the exit code alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from concertmaster.agents.command import CommandReader
from concertmaster.agents.protocol import FINAL_TEXT_LIMIT, AgentActivity, AgentReport
from concertmaster.model import Usage


class TestCommandReader:
    def read(self, *lines: bytes, exit_ok: bool = True) -> AgentReport:
        reader = CommandReader()
        for line in lines:
            reader.feed(line)
        return reader.finish(exit_ok=exit_ok, exit_text="exit 3")

    def test_its_exit_alone_decides(self) -> None:
        assert self.read(b"error: failed").ok
        failed = self.read(b"success", exit_ok=False)
        assert (failed.ok, failed.reason) == (False, "exit 3")

    def test_its_cost_is_unknown(self) -> None:
        assert self.read(b"cost: $3").usage == Usage()

    def test_each_line_with_text_is_shown(self) -> None:
        reader = CommandReader()

        assert reader.feed(b"\x1b[2Jreading a.py\r\n") == AgentActivity("", "[2Jreading a.py")
        assert reader.feed(b" \t ") is None

    def test_its_last_word_is_the_end_of_its_output(self) -> None:
        assert self.read(b"one\n", b"two").final_text == "one\ntwo\n"
        many = self.read(*[b"x" * 1000] * 3000, b"the end").final_text
        assert len(many) == FINAL_TEXT_LIMIT
        assert many.endswith("x\nthe end\n")

    @given(st.lists(st.binary()))
    def test_no_output_whatever_breaks_it(self, lines: list[bytes]) -> None:
        self.read(*lines).final_text.encode()
