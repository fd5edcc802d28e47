"""The declarations of settings are sound."""

from __future__ import annotations

from dataclasses import fields

import pytest

from concertmaster.model import RunSettings
from concertmaster.settings.declarations import SETTINGS, FrozenSettings, Settings, settings_of
from concertmaster.settings.setting import Kind, Place, Setting


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
    wanted = "parallel agent budget landing history timeout target phases again radar"
    assert {*settings_of(Place.COMMENT)} == {*wanted.split()}
