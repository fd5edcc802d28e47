"""Splits prose, paths and code into the words by which they are compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

LONGEST_WORD = 40
_NAME = re.compile(r"[^\W\d_]\w*")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+")
STOP_WORDS = frozenset(
    """a about above after again all also an and any are as at be because been before being both but
    by can cannot could did do does doing done during each either etc few for from further get gets
    had has have having here how if in into is it its itself just like may more most must need needs
    no nor not now of off on once only or other our out over own per same see shall should so some
    such than that the their them then there these they this those through to too under until up
    use used uses using very via was we well were what when where which while who why will with
    within without would you your http https www com io org co authored by signed""".split()
)
_ENDINGS = ("ations", "ation", "ings", "ing", "ies", "ied", "ers", "ed", "es", "er", "s", "e")
LEAST_STEM = 3


def count_words(text: str) -> Counter[str]:
    """Return how often each word stem occurs, the parts of compound names and the names whole."""
    found: Counter[str] = Counter()
    for name, times in Counter(_NAME.findall(text)).items():
        for word in read_name(name):
            found[word] += times
    return found


def count_path_words(paths: Iterable[str]) -> dict[str, dict[str, int]]:
    """Return for each path how often each word stem occurs in it; each folder is read once."""
    folders: dict[str, Counter[str]] = {}
    found = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        if folder not in folders:
            folders[folder] = count_words(folder)
        words = dict(folders[folder])
        for part in _NAME.findall(name):
            for word in read_name(part):
                words[word] = words.get(word, 0) + 1
        found[path] = words
    return found


@lru_cache(maxsize=200_000)
def read_name(name: str) -> tuple[str, ...]:
    """Return the stems of a name's parts, and the whole name if it is a compound."""
    if len(name) > LONGEST_WORD:
        return ()
    parts = [part.lower() for part in _PART.findall(name)]
    words = [stem(part) for part in parts if len(part) > 1 and part not in STOP_WORDS]
    if len(parts) > 1:
        words.append(name.replace("_", "").lower())
    return tuple(words)


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """Return the lower-case word without its ending, so that "edits" and "editing" agree."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= LEAST_STEM:
            return word.removesuffix(ending)
    return word
