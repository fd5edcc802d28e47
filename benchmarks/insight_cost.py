"""Measures what foreseeing costs: time and memory on a large generated tree or on a clone.

Each run is a process of its own, first with an empty cache and then with a filled one. Seconds of
the processor count git's processes too.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from processor_time import used_seconds

from concertmaster.git.repository import Repository
from concertmaster.insight.foresight import foresee
from concertmaster.insight.ranking import gather
from concertmaster.insight.signals import read_query
from concertmaster.prompts.parser import parse_prompt

PROMPTS = 256
FILES = 100_000
COMMITS = 300  # of the generated history
SEED = 13
WORDS = 20_000  # of the generated vocabulary, which has fewer as some are alike
LINES = 5_000  # of which all files are made
FILES_IN_A_FOLDER = 100
MEDIAN_LINES = 62  # about 3 KB
SPREAD = 0.8  # of the logarithm of the lines of a file
MOST_LINES = 2_000
GREPPED = 50  # words of one `git grep`, from which that of all words is reckoned


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of one run. Memory is the peak of this process, without git's."""

    seconds: float
    processor_seconds: float
    memory_mb: float


def main() -> None:
    """Foresee prompts as a child process: FOLDER BASE CACHE, prompts as JSON on standard input."""
    folder, base, cache = sys.argv[1:]
    texts = json.load(sys.stdin)
    prompts = [
        parse_prompt(text.encode("utf-8", "replace"), path=f"prompts/p{at}.md")
        for at, text in enumerate(texts)
    ]
    start = time.monotonic()
    before = used_seconds()
    foresee(prompts, repository=Repository.open(Path(folder)), base=base, cache=Path(cache))
    cost = Cost(
        seconds=time.monotonic() - start,
        processor_seconds=used_seconds() - before,
        memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )
    print(json.dumps(asdict(cost)))


def measure_costs(folder: Path, texts: Sequence[str], *, cache: Path) -> dict[str, object]:
    """Return the cost of the prompts at HEAD, cold and warm, also as ratios to one `git grep`."""
    base = _git(folder, "rev-parse", "HEAD").decode().strip()
    listed = _git(folder, "ls-tree", "-r", "--name-only", "-z", base).count(b"\0")
    cold, warm = (_run(folder, base, cache, texts) for _ in range(2))
    words = sorted(gather(read_query(text, {}).words for text in texts))
    # The time of `git grep` grows with the number of words.
    sample = words[:: max(1, len(words) // GREPPED)][:GREPPED]
    grep = _grep(folder, base, sample) * len(words) / len(sample)
    return {
        "name": folder.parent.name if folder.name == "repo" else folder.name,
        "files": listed,
        "prompts": len(texts),
        "words": len(words),
        "cold": asdict(cold),
        "warm": asdict(warm),
        "git grep processor seconds": grep,
        "cold to git grep": cold.processor_seconds / grep,
        "warm to git grep": warm.processor_seconds / grep,
    }


def read_messages(folder: Path) -> list[str]:
    """Return the newest messages of the history as prompts."""
    log = _git(folder, "log", "--no-merges", f"--max-count={PROMPTS}", "-z", "--format=%B")
    return [text for text in log.decode("utf-8", "replace").split("\0") if text.strip()]


def generate(folder: Path) -> list[str]:
    """Make a repository with a history; return the prompts. Equal calls make equal ones."""
    chance = random.Random(SEED)
    letters = "bcdfghklmnprstvwz", "aeiou"
    words = [*dict.fromkeys(_make_word(chance, letters) for _ in range(WORDS))]
    subprocess.run(["git", "init", "--quiet", "--bare", str(folder)], check=True)
    command = ["git", "-C", str(folder), "fast-import", "--quiet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as importer:
        assert importer.stdin is not None
        for part in _write_history(chance, words):
            importer.stdin.write(part)
        importer.stdin.close()
    if importer.returncode:
        raise SystemExit("git fast-import failed")
    _git(folder, "symbolic-ref", "HEAD", "refs/heads/main")
    return [_write_prompt(chance, words) for _ in range(PROMPTS)]


def _make_word(chance: random.Random, letters: tuple[str, str]) -> str:
    return "".join(chance.choice(letters[at % 2]) for at in range(chance.randint(4, 8)))


def _write_history(chance: random.Random, words: Sequence[str]) -> Iterator[bytes]:
    lines = [_write_line(_choose(chance, words, 6)) for _ in range(LINES)]
    paths = [
        f"{words[at // FILES_IN_A_FOLDER % len(words)]}/{chance.choice(words)}_{at}.py"
        for at in range(FILES)
    ]
    yield _write_commit("The first files", number=0)
    for path in paths:
        yield _write_file(path, _write_source(chance, words, lines))
    for number in range(1, COMMITS + 1):
        changed = chance.sample(paths[: FILES // 10], k=chance.randint(1, 4))
        named = " ".join(path.rpartition("/")[2].partition("_")[0] for path in changed)
        yield _write_commit(f"Change {named}", number=number)
        for path in changed:
            yield _write_file(path, _write_source(chance, words, lines))


def _write_line(words: Sequence[str]) -> str:
    return f"    {words[0]} = {words[1]}({', '.join(words[2:])})"


def _choose(chance: random.Random, words: Sequence[str], count: int) -> list[str]:
    """Return words of which the first ones are frequent, as in real texts (Zipf)."""
    return [words[int(len(words) ** chance.random()) - 1] for _ in range(count)]


def _write_source(chance: random.Random, words: Sequence[str], lines: Sequence[str]) -> bytes:
    count = min(MOST_LINES, int(chance.lognormvariate(0.0, SPREAD) * MEDIAN_LINES) + 2)
    text = chance.choices(lines, k=count)
    text[::15] = [f"def {'_'.join(_choose(chance, words, 2))}():" for _ in text[::15]]
    return "\n".join(text).encode()


def _write_commit(message: str, *, number: int) -> bytes:
    who = f"committer x <x@example.org> {1_700_000_000 + number} +0000"
    return f"commit refs/heads/main\n{who}\ndata {len(message)}\n{message}\n".encode()


def _write_file(path: str, text: bytes) -> bytes:
    return f"M 100644 inline {path}\ndata {len(text)}\n".encode() + text + b"\n"


def _write_prompt(chance: random.Random, words: Sequence[str]) -> str:
    return f"# {' '.join(_choose(chance, words, 6))}\n\n{' '.join(_choose(chance, words, 40))}\n"


def _run(folder: Path, base: str, cache: Path, texts: Sequence[str]) -> Cost:
    command = [sys.executable, str(Path(__file__)), str(folder), base, str(cache)]
    told = subprocess.run(
        command, input=json.dumps(texts).encode(), stdout=subprocess.PIPE, check=True
    )
    return Cost(**json.loads(told.stdout))


def _grep(folder: Path, base: str, words: Sequence[str]) -> float:
    """Return the seconds of the processor of one `git grep` for the words."""
    before = used_seconds()
    command = ["git", "-C", str(folder), "grep", "-c", "-i", "-F", "-f", "-", base]
    subprocess.run(command, input="\n".join(words).encode(), stdout=subprocess.DEVNULL, check=False)
    return used_seconds() - before


def _git(folder: Path, *args: str) -> bytes:
    done = subprocess.run(["git", "-C", str(folder), *args], capture_output=True, check=True)
    return done.stdout


if __name__ == "__main__":
    main()
