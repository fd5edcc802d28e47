"""Puts one prompt to an agent that speaks the Agent Client Protocol, and prints all it says.

This is a program of its own: it runs in the place of the agent, below a guard and as the user of
the attempt. The prompt is its standard input. It prints each message of the agent as one line,
which `agents.acp` reads. It decides only what has to be answered at once: requests for permission.
It imports nothing but the standard library.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

# The ids of our requests, by which the reader knows the answers.
INITIALIZE, SESSION, MODEL, MODE, PROMPT = range(5)
VERSION = 1  # of the protocol
LEAVE_SECONDS = 3.0  # for an agent to end by itself after its answer
NO_METHOD = {"code": -32601, "message": "this client has no such method"}
READING_MODES = ("read-only", "plan", "ask")  # the first that the agent has is chosen
READING_KINDS = ("read", "search", "think")  # of tools that a reading phase may use
CANCELLED = {"outcome": "cancelled"}
CAPABILITIES = {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False}


class Bridge:
    """The client of one agent process; it answers the agent's requests while it waits."""

    def __init__(self, agent: subprocess.Popen[bytes], *, reads_only: bool) -> None:
        self._agent, self._reads_only = agent, reads_only
        self._lock = threading.Lock()  # holds lines together
        self._session = ""
        self._kinds: dict[str, str] = {}  # of tools, by the id of their call
        self._is_cancelled = False

    def open_session(self, wanted: str, *, model: str) -> bool:
        """Load the wanted session, or begin one; return whether it can be used with the model."""
        given = {"protocolVersion": VERSION, "clientCapabilities": CAPABILITIES}
        found = self._request(INITIALIZE, "initialize", given)
        if found is None or found.get("protocolVersion") != VERSION:
            return False
        place: dict[str, Any] = {"cwd": str(Path.cwd()), "mcpServers": []}
        if wanted and _object(found.get("agentCapabilities")).get("loadSession") is True:
            opened = self._request(SESSION, "session/load", {"sessionId": wanted, **place})
            self._session = wanted
        else:
            opened = self._request(SESSION, "session/new", place)
            self._session = str((opened or {}).get("sessionId") or "")
        if opened is None or not self._session:
            return False
        self._choose(MODE, opened, choose_mode(opened, reads_only=self._reads_only))
        return not model or self._choose(MODEL, opened, model)

    def ask(self, text: str) -> bool:
        """Put the prompt; return whether the agent answered it."""
        prompt = {"sessionId": self._session, "prompt": [{"type": "text", "text": text}]}
        return (
            not self._is_cancelled and self._request(PROMPT, "session/prompt", prompt) is not None
        )

    def cancel(self) -> None:
        """Ask the agent to stop; its requests for permission are refused from now on."""
        self._is_cancelled = True
        if self._session:
            self._send({"method": "session/cancel", "params": {"sessionId": self._session}})

    def _choose(self, number: int, opened: dict[str, Any], value: str) -> bool:
        """Choose the mode or model if the session offers it, by an option or an older method."""
        name = "model" if number == MODEL else "mode"
        option, values, _ = offers(opened, name)
        if value not in values:
            return False
        session = {"sessionId": self._session}
        if not option:
            chosen = {**session, f"{name}Id": value}
            return self._request(number, f"session/set_{name}", chosen) is not None
        chosen = {**session, "configId": option, "value": value}
        return self._request(number, "session/set_config_option", chosen) is not None

    def _request(self, number: int, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """Return the result, None where the request failed or the agent has ended."""
        self._send({"id": number, "method": method, "params": params})
        assert self._agent.stdout
        for line in self._agent.stdout:
            _print(line)
            message = _parse(line)
            if "method" in message:
                self._hear(message, _object(message.get("params")))
            elif message.get("id") == number:
                return None if "error" in message else _object(message.get("result"))
        return None

    def _hear(self, message: dict[str, Any], params: dict[str, Any]) -> None:
        """Remember what the agent tells, and answer what it asks."""
        asks = message.get("id") is not None
        if message["method"] == "session/request_permission" and asks:
            self._send({"id": message["id"], "result": {"outcome": self._permit(params)}})
        elif asks:
            self._send({"id": message["id"], "error": NO_METHOD})
        else:
            self._kind_of(_object(params.get("update")))

    def _permit(self, params: dict[str, Any]) -> dict[str, str]:
        """Return the answer to a request for permission."""
        kind = self._kind_of(_object(params.get("toolCall")))
        may = not self._reads_only or kind in READING_KINDS
        return (
            choose_option(params.get("options"), may=may) if not self._is_cancelled else CANCELLED
        )

    def _kind_of(self, call: dict[str, Any]) -> str:
        """Return the kind of the tool, also where only an earlier message told it."""
        name, kind = str(call.get("toolCallId")), call.get("kind")
        if isinstance(kind, str):
            self._kinds[name] = kind
        return self._kinds.get(name, "")

    def _send(self, message: dict[str, Any]) -> None:
        assert self._agent.stdin
        rest = json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"
        with self._lock, suppress(OSError, ValueError):  # an agent that has ended is told by reads
            while rest:
                rest = rest[os.write(self._agent.stdin.fileno(), rest) :]


def offers(opened: dict[str, Any], name: str) -> tuple[str, list[str], str]:
    """Return the option for the mode or model of a session, its values and the current one.

    The option is "" where the session offers them in the older way.
    """
    option = find_object(opened.get("configOptions"), "category", name)
    if option:
        values = _texts(option.get("options"), "value")
        return str(option.get("id")), values, str(option.get("currentValue"))
    older, title = _object(opened.get(f"{name}s")), name.title()
    values = _texts(older.get(f"available{title}s"), "modelId" if name == "model" else "id")
    return "", values, str(older.get(f"current{title}Id"))


def choose_mode(opened: dict[str, Any], *, reads_only: bool) -> str:
    """Return the mode to choose for the phase, "" if the session can stay as it is.

    A loaded session may still be in the mode of a phase that read.
    """
    _, values, current = offers(opened, "mode")
    if reads_only:
        return next((mode for mode in READING_MODES if mode in values), "")
    others = [mode for mode in values if mode not in READING_MODES]
    return others[0] if others and current in READING_MODES else ""


def choose_option(options: object, *, may: bool) -> dict[str, str]:
    """Return the outcome that allows or rejects once, or for ever where there is no once."""
    for kind in ("allow_once", "allow_always") if may else ("reject_once", "reject_always"):
        if option := find_object(options, "kind", kind):
            return {"outcome": "selected", "optionId": str(option.get("optionId"))}
    return CANCELLED


def main(words: Sequence[str]) -> int:
    """Run the agent with the prompt on standard input; return 0 if it answered."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--reads-only", action="store_true")
    parser.add_argument("--session", default="")
    parser.add_argument("--model", default="")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args(words)
    text = sys.stdin.buffer.read().decode("utf-8", "replace")
    pipe = subprocess.PIPE
    with subprocess.Popen(given.command, stdin=pipe, stdout=pipe) as agent:
        bridge = Bridge(agent, reads_only=given.reads_only)
        # In a thread, because the signal may come while a line is written.
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=bridge.cancel).start())
        has_answered = bridge.open_session(given.session, model=given.model)
        has_answered = has_answered and bridge.ask(text)
        _leave(agent)
    return 0 if has_answered else 1


def _leave(agent: subprocess.Popen[bytes]) -> None:
    """Let the agent end by itself, which lets it save its session; end one that does not."""
    assert agent.stdin
    agent.stdin.close()
    try:
        agent.wait(LEAVE_SECONDS)
    except subprocess.TimeoutExpired:
        agent.kill()


def _print(line: bytes) -> None:
    sys.stdout.buffer.write(line.rstrip(b"\n") + b"\n")
    sys.stdout.buffer.flush()


def _parse(line: bytes) -> dict[str, Any]:
    try:
        return _object(json.loads(line))
    except (ValueError, RecursionError):
        return {}


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(listed: object, key: str) -> list[str]:
    """Return the strings under this key of the objects in the list."""
    found = [_object(one).get(key) for one in listed] if isinstance(listed, list) else []
    return [one for one in found if isinstance(one, str)]


def find_object(listed: object, key: str, value: str) -> dict[str, Any]:
    """Return the first object of the list with this value, an empty one if there is none."""
    known = map(_object, listed) if isinstance(listed, list) else ()
    return next((one for one in known if one.get(key) == value), {})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
