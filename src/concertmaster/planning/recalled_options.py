"""Finds the options that a user gave to an earlier run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from concertmaster.git.repository import Repository
from concertmaster.model import Plan
from concertmaster.planning.checkout import read_checkout
from concertmaster.planning.run_settings import choose_history, fill_commands, keep_settings
from concertmaster.settings.declarations import settings_of
from concertmaster.settings.setting import Kind, Place, Setting


def recall_options(plan: Plan, repository: Repository) -> dict[str, Any]:
    """Return the options with which the plan was made, as far as they still say something.

    They are the settings that differ from those of concertmaster.yml at the plan's base, so that a
    file that was corrected since holds for a new run. Raises UsageError.
    """
    then = read_checkout(repository, plan.base, target=plan.target, options={})
    usual = keep_settings(fill_commands(then).settings)
    shape = choose_history(repository, usual.history, tip=plan.base)
    usual = replace(usual, history=shape)
    options: dict[str, Any] = {"target": plan.target, "parallel": plan.slots}
    for name, setting in settings_of(Place.OPTION).items():
        value = getattr(plan.settings, setting.attribute, None)
        is_usual = value is None or value == getattr(usual, setting.attribute)
        if not is_usual and (name, value) != ("agent", "command"):
            options[name] = _write_option(setting, value)
    return options


def _write_option(setting: Setting, value: Any) -> Any:
    """Return the value as `load_settings` reads it."""
    if setting.kind is Kind.DURATION:
        return f"{value / 60:.6f}"  # minutes
    return value
