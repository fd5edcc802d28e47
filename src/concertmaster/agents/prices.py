"""Estimates the cost of tokens, for command lines that report only tokens."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from concertmaster.model import Usage

_TABLE = Path(__file__).with_name("prices.toml")
_TOKENS_A_UNIT = 1_000_000
# Allowed suffixes of a name in the table; any other suffix means another model.
_VARIANT = re.compile(r"(-(\d[\d-]*|latest|preview|exp|customtools))*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The price of a model in USD for a million tokens."""

    input: float
    cached_input: float
    output: float


def estimate_cost(
    model: str, *, input_tokens: int, cached_tokens: int, output_tokens: int
) -> Usage:
    """Return the usage with its estimated cost; `cached_tokens` are part of `input_tokens`.

    The cost of a model that is not in the table is None.
    """
    price = find_price(model)
    if price is None:
        return Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    cached = min(cached_tokens, input_tokens)
    cost = (
        (input_tokens - cached) * price.input
        + cached * price.cached_input
        + output_tokens * price.output
    )
    return Usage(
        cost_usd=cost / _TOKENS_A_UNIT,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        is_estimated=True,
    )


def find_price(model: str) -> Price | None:
    """Return the price of a model, None if unknown; its name may end with a date or a version."""
    name = model.rpartition("/")[2]
    for known, price in _read_table().items():
        if name.startswith(known) and _VARIANT.fullmatch(name.removeprefix(known)):
            return price
    return None


@cache
def _read_table() -> dict[str, Price]:
    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    return {
        name: Price(
            input=row["input"],
            cached_input=row.get("cached_input", row["input"]),
            output=row["output"],
        )
        for name, row in table["models"].items()
    }


def prefer_told(cost_usd: float | None, estimate: Usage) -> Usage:
    """Return the usage with the cost that the agent told, if any; 0 stands for an unknown price."""
    if not cost_usd:
        return estimate
    return Usage(
        cost_usd=cost_usd,
        input_tokens=estimate.input_tokens,
        output_tokens=estimate.output_tokens,
    )
