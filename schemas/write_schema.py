"""Writes concertmaster.schema.json from the declarations of the settings: `make schema`."""

from __future__ import annotations

from pathlib import Path

from concertmaster.settings.json_schema import make_schema

Path(__file__).with_name("concertmaster.schema.json").write_text(make_schema())
