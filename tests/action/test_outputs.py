"""The runner withholds each output of a job that holds the text of a secret."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.action.workflow_commands import encode_names
from tests.action.rounds import House
from tests.github.double import Double

PROMPTS = {
    "apple": "# Write apple\n\nwrite apple.txt apple\n",
    "plum": "# Write plum\n\nfail\n",
}
# Words of the repository, its prompts and its tree, which might be somebody's secret.
SECRETS = ("apple", "plum", "opera", "ada", "prompts", "main", "true")
SHOWN = {"report"}  # an address, which nothing of ours reads
DIGEST = re.compile(r"[0-9a-f]{40,64}")  # it may hold a short word such as "ada" by chance


@pytest.mark.matrix
def test_no_output_that_is_read_holds_a_word_of_the_repository(
    double: Double, tmp_path: Path
) -> None:
    house = House.build(double, tmp_path, PROMPTS)
    held = house.ask(house.open_issue(*PROMPTS)).hold()

    withheld = {
        (name, secret)
        for name, value in held.outputs.items()
        for secret in SECRETS
        if secret in value and name not in SHOWN and not DIGEST.fullmatch(value)
    }
    assert withheld <= {("verify", "true")}  # verify runs where this is missing
    found = {name: json.loads(held.outputs[name]) for name in ("landed", "failed")}
    assert {name: [one.partition("-")[0] for one in ids] for name, ids in found.items()} == {
        "landed": ["apple"],
        "failed": ["plum"],
    }


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_encoded_names_are_the_same_in_json(names: list[str]) -> None:
    assert json.loads(encode_names(names)) == names


@pytest.mark.parametrize("name", ["apple-1a2b", "überholt", "𝄞"])
def test_no_part_of_a_name_can_be_read_in_an_output(name: str) -> None:
    written = encode_names([name])
    assert written.isascii()
    assert not any(name[at : at + 3] in written for at in range(len(name)))
