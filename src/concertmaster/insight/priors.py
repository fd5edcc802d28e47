"""The weights of the signals before a repository's own history is known.

They were fitted to 956 commits of six public repositories in four languages (messages as
prompts, changed files as truth) and to 72 prompts of CooperBench, with and without their lists of
files. `benchmarks/insight.py` measures them on others.
"""

from __future__ import annotations

# By signal; "bias" stands alone.
WEIGHTS = {
    "bias": -5.84,
    "path": 1.16,
    "path share": -0.92,
    "definitions": 0.16,
    "definitions share": -1.5,
    "text": 1.37,
    "text share": 0.48,
    "messages": 1.26,
    "messages share": 0.97,
    "rank": 1.72,
    "named": 2.1,
    "symbol": 1.32,
    "package": 1.66,
    "common": 1.82,
    "habit": 0.32,
    "recent": 0.21,
    "cochange": 1.12,
    "tests": -0.33,
    "imports": -0.21,
    "prose": 0.17,
    "test": -0.01,
    "aside": -2.46,
}
# P(two tasks share a file): log-odds by the cosine of their footprints and by their sizes.
PAIR_BIAS = -2.0
PAIR_COSINE = 3.9
PAIR_SIZE = -0.45
