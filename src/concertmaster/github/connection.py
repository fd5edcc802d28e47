"""Defines what each client of GitHub's API is opened with, and the API's own numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

API_VERSION = "2022-11-28"
NEWER_API_VERSION = "2026-03-10"  # only this one knows the policies of Actions
PAGE = 100  # the most entries that GitHub sends at once
NOTICED_SECONDS = 5.0  # a longer wait is worth a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One repository and the token to reach it with.

    `url` is that of the REST API, `repository` is owner/name.
    """

    url: str
    repository: str
    token: str = field(repr=False)
    api_version: str = API_VERSION
