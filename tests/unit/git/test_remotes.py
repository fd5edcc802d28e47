"""Attempts know the remotes' addresses without what would let them in."""

from __future__ import annotations

from pathlib import Path

import pytest

from concertmaster.git.remotes import clean_address


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b.git"),
        ("https://ada:secret@github.com/a/b.git", "https://github.com/a/b.git"),
        ("https://token@host:8443/a/b", "https://host:8443/a/b"),
        ("https://host/a/b?private_token=x#y", "https://host/a/b"),
        ("ssh://git:secret@host:22/a/b", "ssh://git@host:22/a/b"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("git://host/a", "git://host/a"),
        ("file:///srv/a.git", "file:///srv/a.git"),
        ("/srv/a.git", "/srv/a.git"),
        ("../a.git", "/home/ada/a.git"),
        ("./a.git", "/home/ada/shop/a.git"),
        ("https://[::1/a", ""),
    ],
)
def test_an_address_has_no_credentials(address: str, shown: str) -> None:
    assert clean_address(address, root=Path("/home/ada/shop")) == shown
