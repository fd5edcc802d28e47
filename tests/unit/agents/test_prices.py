from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.agents.prices import Price, estimate_cost, find_price
from concertmaster.model import Usage

MILLION = 1_000_000


def test_cached_input_is_paid_at_its_own_price() -> None:
    used = estimate_cost(
        "gpt-6-sol", input_tokens=2 * MILLION, cached_tokens=MILLION, output_tokens=MILLION
    )

    assert used == Usage(
        cost_usd=2.0 + 0.2 + 10.0,
        input_tokens=2 * MILLION,
        output_tokens=MILLION,
        is_estimated=True,
    )


def test_without_such_a_price_it_is_paid_in_full() -> None:
    used = estimate_cost(
        "gpt-5.5-pro", input_tokens=MILLION, cached_tokens=MILLION, output_tokens=0
    )

    assert used.cost_usd == 30.0


def test_an_unknown_model_costs_nobody_knows_what() -> None:
    used = estimate_cost("my-own-model", input_tokens=5, cached_tokens=0, output_tokens=7)

    assert used == Usage(cost_usd=None, input_tokens=5, output_tokens=7, is_estimated=False)


@pytest.mark.parametrize(
    "name",
    ["gpt-5.4", "gpt-5.4-2026-03-05", "openai/gpt-5.4", "gpt-5.4-latest"],
)
def test_a_name_covers_its_versions(name: str) -> None:
    assert find_price(name) == Price(input=2.50, cached_input=0.25, output=15.00)


@pytest.mark.parametrize("name", ["", "gpt", "gpt-5.4-pro", "gpt-5.44", "my-gpt-5.4", "gpt-5.4x"])
def test_a_name_covers_no_other_model(name: str) -> None:
    assert find_price(name) is None


def test_previews_of_gemini_are_covered() -> None:
    for name in ("gemini-3.1-pro-preview", "gemini-3.1-pro-preview-customtools"):
        assert find_price(name) == find_price("gemini-3.1-pro")


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_cost_is_never_negative(given_tokens: int, cached: int, output: int) -> None:
    used = estimate_cost(
        "gpt-6-astra", input_tokens=given_tokens, cached_tokens=cached, output_tokens=output
    )

    assert (used.cost_usd or 0) >= 0
