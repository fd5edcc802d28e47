#!/usr/bin/env python3
"""A scripted agent of the Agent Client Protocol; its prompt is a list of orders, one on each line.

`write FILE` asks for permission before it writes, `sneak FILE` does not, `foreign` calls a method
that clients need not have, `hang` waits for the end of its work, `silent` says nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SESSIONS = Path("sessions")
OPTIONS = (
    {"optionId": "ever", "name": "Always", "kind": "allow_always"},
    {"optionId": "yes", "name": "Allow", "kind": "allow_once"},
    {"optionId": "no", "name": "Reject", "kind": "reject_once"},
)
LINES: Iterator[str] = iter(sys.stdin.readline, "")


def send(**message: Any) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def update(name: str, **more: Any) -> None:
    told = {"sessionId": "s1", "update": {"sessionUpdate": name, **more}}
    send(method="session/update", params=told)


def say(words: str) -> None:
    update("agent_message_chunk", content={"type": "text", "text": words})


def call(method: str, **params: Any) -> dict[str, Any]:
    """Return the client's answer; no other line may come before it."""
    send(id="call", method=method, params=params)
    return dict(json.loads(next(LINES)))


def obey(order: str) -> str:
    """Do what the line says; return the reason to stop, "" if there is none."""
    word, _, file = order.partition(" ")
    if word == "write":
        update("tool_call", toolCallId="w", title=f"Write {file}", kind="edit")
        asked = {"toolCallId": "w"}  # the kind was told before
        answer = call("session/request_permission", toolCall=asked, options=OPTIONS)
        outcome = answer["result"]["outcome"]
        if outcome.get("optionId") == "yes":
            Path(file).write_text("written\n")
        say(f"outcome {outcome.get('optionId')}. ")
    elif word == "foreign":
        say(f"error {call('fs/read_text_file', path='/etc/hosts')['error']['code']}. ")
    elif word == "hang":
        update("tool_call", toolCallId="h", title="Hang", kind="execute")
        for line in LINES:
            if json.loads(line).get("method") == "session/cancel":
                return "cancelled"
    elif word == "say":
        say(file)
    return ""


def open_session(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return the result or the error of the request for a session."""
    if method == "session/load":
        if not SESSIONS.exists() or params["sessionId"] not in SESSIONS.read_text().split():
            return {"error": {"code": -32002, "message": "Resource not found"}}
        say("What I said long ago.")
        return {"result": None}
    SESSIONS.write_text("s1")
    modes = [{"id": "code", "name": "Code"}, {"id": "plan", "name": "Plan"}]
    models = [{"modelId": "small", "name": "Small"}]
    listed = {"modes": {"availableModes": modes}, "models": {"availableModels": models}}
    return {"result": {"sessionId": "s1", **listed}}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    if method == "initialize":
        can = {"loadSession": "--no-load" not in sys.argv}
        return {"result": {"protocolVersion": params["protocolVersion"], "agentCapabilities": can}}
    if method in ("session/new", "session/load"):
        return open_session(method, params)
    if method in ("session/set_mode", "session/set_model"):
        say(f"now {params.get('modeId') or params.get('modelId')}")
        return {"result": {}}
    orders = params["prompt"][0]["text"].splitlines()
    stop = next(filter(None, map(obey, orders)), "end_turn")
    return {"result": {"stopReason": stop, "usage": {"inputTokens": 7, "outputTokens": 2}}}


def main() -> None:
    for line in LINES:
        message = json.loads(line)
        if "method" in message and "id" in message:
            send(id=message["id"], **answer(message["method"], message["params"]))


if __name__ == "__main__":
    main()
