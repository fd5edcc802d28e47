"""Serves real bare repositories over HTTP with `git http-backend`."""

from __future__ import annotations

import atexit
import gzip
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.github import merging
from tests.github.bare import Bare, GitFailed, environment, quarantine
from tests.github.calls import Call
from tests.github.exchange import Request
from tests.github.faults import Effect, struck
from tests.github.gatekeeper import Forbidden, Move, check_push
from tests.github.gateway import Gateway, token_value
from tests.github.people import Level, Permission, Token
from tests.github.permissions import is_visible, level_of
from tests.github.state import Repository

PATH = re.compile(
    r"/(?P<owner>[^/]+)/(?P<name>[^/]+?)(?:\.git)?/(?P<rest>info/refs|git-(?:upload|receive)-pack)"
)
FLUSH = b"0000"
RULES_DECLINED = "push declined due to repository rule violations"
CONFIG = {
    "http.receivepack": "true",
    "receive.denyDeleteCurrent": "ignore",
    "receive.hideRefs": "refs/pull",
    "uploadpack.allowAnySHA1InWant": "true",
    "uploadpack.allowFilter": "true",
    "gc.auto": "0",
    "core.logAllRefUpdates": "false",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int
    headers: dict[str, str]
    content: bytes


class Hosting:
    """The git server. Its calls are logged without cost, and faults apply to them too."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.store = gateway.store

    @staticmethod
    def serves(request: Request) -> bool:
        return PATH.fullmatch(request.path) is not None

    def answer(self, request: Request) -> tuple[Reply, Effect | None]:
        """Return the reply, and the fault that keeps it from the caller or None."""
        with self.store.lock:
            fault = self.gateway.faults.of_call(request.method, request.path)
        if fault is None:
            reply, lost = self.reply(request), None
        else:
            lost = fault.effect if fault.effect.loses_answer else None
            if fault.effect.is_after:
                self.reply(request)
            refused = struck(fault, self.gateway.limits).response
            reply = said(refused.status, refused.body["message"])
        self.note(request, status=None if lost else reply.status)
        return reply, lost

    def note(self, request: Request, *, status: int | None) -> None:
        self.gateway.log.add(
            Call(
                method=request.method,
                path=request.path,
                token=token_value(request),
                status=status,
                cost=0,
            )
        )

    def reply(self, request: Request) -> Reply:
        match = PATH.fullmatch(request.path)
        assert match
        value = token_value(request)
        token = self.store.tokens.get(value)
        if value and token is None:
            return ask_for_token("Invalid username or token.")
        repository = self.store.repository(f"{match['owner']}/{match['name']}")
        pushes = "receive-pack" in request.path or "receive-pack" in request.query.get(
            "service", ""
        )
        if refusal := refuse(repository, token, pushes=pushes):
            return refusal
        assert repository
        if pushes and request.method == "POST":
            assert token
            return self.push(repository, token, request, rest=match["rest"])
        return backend(repository, request, rest=match["rest"])

    def push(self, repository: Repository, token: Token, request: Request, *, rest: str) -> Reply:
        """Accept a push, or refuse it as a whole if one of its refs is refused."""
        with self.store.lock:
            wanted = read_push(unpacked(request))
            if refused := forbidden(repository, token, wanted):
                return report(wanted, refused)
            reply = backend(repository, request, rest=rest)
            merging.note_push(self.store, repository, user=token.user)
            return reply


def refuse(repository: Repository | None, token: Token | None, *, pushes: bool) -> Reply | None:
    if repository is None or not is_visible(token, repository):
        return said(404, "Repository not found.") if token else ask_for_token("Sign in.")
    if not pushes:
        if level_of(token, repository, Permission.CONTENTS) >= Level.READ:
            return None
        return said(403, "Write access to repository not granted.")
    if token is None:
        return ask_for_token("Sign in.")
    if level_of(token, repository, Permission.CONTENTS) >= Level.WRITE:
        return None
    return said(403, f"Permission to {repository.full_name}.git denied to {token.user.login}.")


def said(status: int, text: str) -> Reply:
    """Return a reply with a text, which git shows as `remote: …`."""
    return Reply(status=status, headers={"Content-Type": "text/plain"}, content=text.encode())


def ask_for_token(text: str) -> Reply:
    headers = {"Content-Type": "text/plain", "WWW-Authenticate": 'Basic realm="GitHub"'}
    return Reply(status=401, headers=headers, content=text.encode())


def unpacked(request: Request) -> bytes:
    if request.headers.get("content-encoding") == "gzip":
        return gzip.decompress(request.content)
    return request.content


def backend(repository: Repository, request: Request, *, rest: str) -> Reply:
    content = unpacked(request)
    variables = {
        "GIT_PROJECT_ROOT": str(repository.folder),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{rest}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": "&".join(f"{name}={value}" for name, value in request.query.items()),
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(content)),
        "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
        "REMOTE_USER": "double",
        "REMOTE_ADDR": "127.0.0.1",
    }
    done = subprocess.run(
        ["git", "http-backend"],
        input=content,
        env=environment() | variables,
        capture_output=True,
        check=False,
    )
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
    status = int(headers.pop("Status", "200 OK").split()[0])
    return Reply(status=status, headers=headers, content=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    moves: list[Move]
    capabilities: frozenset[str]
    pack: bytes


def read_push(content: bytes) -> Push:
    """Parse the commands and the pack, which is empty if refs are only deleted."""
    moves, capabilities = [], frozenset[str]()
    at = 0
    while at < len(content) and content[at : at + 4] != FLUSH:
        size = int(content[at : at + 4], 16)
        line, _, offered = content[at + 4 : at + size].partition(b"\0")
        at += size
        if offered:
            capabilities = frozenset(offered.decode().split())
        if not line.startswith(b"shallow "):
            old, new, ref = line.decode().strip().split(" ", 2)
            moves.append(Move(ref=ref, old=old, new=new))
    pack = content.find(b"PACK", at + 4)
    return Push(moves=moves, capabilities=capabilities, pack=b"" if pack < 0 else content[pack:])


def forbidden(repository: Repository, token: Token, push: Push) -> dict[str, str]:
    """Return the reasons by refused ref.

    The pushed objects are read from a quarantine folder, as in git's own hooks.
    """
    reasons = {}
    with tempfile.TemporaryDirectory(dir=repository.folder) as folder:
        arriving = Path(folder)
        if push.pack:
            take(repository, push.pack, arriving=arriving)
        bare = Bare(repository.folder, arriving=arriving)
        for move in push.moves:
            try:
                check_push(repository, token, move=move, bare=bare)
            except Forbidden as refused:
                reasons[move.ref] = str(refused)
    return reasons


def take(repository: Repository, pack: bytes, *, arriving: Path) -> None:
    """Unpack the pack into `arriving`; a broken pack is left for the backend to refuse."""
    (arriving / "pack").mkdir()
    objects = quarantine(repository.folder, arriving)
    bare = Bare(repository.folder)
    try:
        bare.run("index-pack", "--stdin", "--fix-thin", stdin=pack, more=objects)
    except GitFailed:
        return


def report(push: Push, refused: dict[str, str]) -> Reply:
    """Return git's report of a refused push, in which no ref has moved."""
    lines = [packet(b"unpack ok\n")]
    for move in push.moves:
        reason = refused.get(move.ref, "another ref of this push was refused")
        short = RULES_DECLINED if "\n" in reason else reason
        lines.append(packet(f"ng {move.ref} {short}\n".encode()))
    body = b"".join(lines) + FLUSH
    if "side-band-64k" in push.capabilities:
        told = "".join(
            f"error: {line}\n" for text in refused.values() for line in text.splitlines()
        )
        body = packet(b"\2" + told.encode()) + packet(b"\1" + body) + FLUSH
    kind = "application/x-git-receive-pack-result"
    return Reply(status=200, headers={"Content-Type": kind}, content=body)


def packet(data: bytes) -> bytes:
    return f"{len(data) + 4:04x}".encode() + data


@cache
def empty() -> Path:
    """Create an empty bare repository; all others are copies of it, which is faster."""
    folder = Path(tempfile.mkdtemp(prefix="concertmaster-double-"))
    atexit.register(shutil.rmtree, folder)
    bare = Bare(folder)
    bare.text("init", "--quiet", "--bare")
    for key, value in CONFIG.items():
        bare.text("config", key, value)
    return folder


def create(folder: Path, *, default_branch: str, source: Path | None) -> None:
    """Create a bare repository with all branches and tags of `source`."""
    shutil.copytree(empty(), folder)
    (folder / "HEAD").write_text(f"ref: refs/heads/{default_branch}\n")
    bare = Bare(folder)
    if source:
        allowed = {"GIT_ALLOW_PROTOCOL": "file"}
        specs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        bare.text("fetch", "--quiet", "--no-tags", str(source), *specs, more=allowed)
