"""Commands get an allow-list of environment variables."""

from __future__ import annotations

from concertmaster.sandbox.environment import allowed_environment


def test_the_environment_holds_what_programs_need_and_no_secret() -> None:
    harmless = {"PATH": "/bin", "LC_ALL": "C", "XDG_CACHE_HOME": "/c", "https_proxy": "http://p"}
    secret = ("GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "LC_TOKEN", "AWS_SECRET_ACCESS_KEY")
    way_out = ("PIP_INDEX_URL", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK", "LD_PRELOAD")
    source = harmless | dict.fromkeys((*secret, *way_out), "x")
    assert allowed_environment(source, ()) == harmless


def test_the_environment_holds_what_was_named_where_it_is_set() -> None:
    source = {"ANTHROPIC_API_KEY": "key", "GITHUB_TOKEN": "token"}
    assert allowed_environment(source, {"ANTHROPIC_API_KEY", "UNSET"}) == {
        "ANTHROPIC_API_KEY": "key"
    }
