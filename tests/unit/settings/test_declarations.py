"""The declarations of settings are sound, and README tells them."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from concertmaster.model import RunSettings
from concertmaster.settings.declarations import (
    SETTINGS,
    FrozenSettings,
    Kind,
    Place,
    Setting,
    Settings,
    settings_of,
)

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| `(\w+)` \| (.*?) ?\| (.*?) ?\| .+ \|$", re.MULTILINE)


def test_every_field_of_the_settings_is_declared() -> None:
    declared = {setting.attribute for setting in SETTINGS.values()}
    assert declared == {one.name for one in fields(Settings)} - {"given"}


def test_a_plan_keeps_every_frozen_setting() -> None:
    assert {one.name for one in fields(FrozenSettings)} <= {one.name for one in fields(RunSettings)}


def test_what_a_plan_calls_otherwise_is_the_name_with_its_unit() -> None:
    for setting in SETTINGS.values():
        assert setting.attribute.removeprefix(setting.name) in ("", "_seconds", "_usd")


def test_every_setting_is_described() -> None:
    assert [one.name for one in SETTINGS.values() if not one.help.endswith(".")] == []


def test_every_number_has_bounds() -> None:
    for one in SETTINGS.values():
        is_number = one.kind in (Kind.NUMBER, Kind.SLOTS)
        assert is_number == (one.least is not None and one.most is not None), one.name


@pytest.mark.parametrize("kind", [Kind.COMMAND, Kind.MODEL, Kind.LIST])
def test_a_comment_never_sets_what_runs_or_what_an_agent_sees(kind: Kind) -> None:
    with pytest.raises(ValueError, match="a comment may not set"):
        Setting(kind=kind, help="Mine.", places=Place.COMMENT, example="x")


def test_a_comment_sets_these_and_no_other() -> None:
    wanted = "parallel agent budget landing timeout target phases"
    assert {*settings_of(Place.COMMENT)} == {*wanted.split()}


def test_the_readme_has_the_table_of_settings() -> None:
    """Name, option and default of each setting."""
    readme = (ROOT / "README.md").read_text()
    chapter = readme.partition("\n## Settings\n")[2].partition("\n## ")[0]
    shown = {name: (option, default) for name, option, default in ROW.findall(chapter)}
    assert shown == {name: readme_cells(setting) for name, setting in SETTINGS.items()}


def readme_cells(setting: Setting) -> tuple[str, str]:
    option = f"`{setting.option}`" if Place.OPTION in setting.places else ""
    default = setting.unset or (setting.written_default and f"`{setting.written_default}`")
    return option, default
