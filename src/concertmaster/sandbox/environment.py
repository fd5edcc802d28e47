"""The environment that a command gets."""

from __future__ import annotations

from collections.abc import Collection, Mapping

# A list of what may pass, so that a secret whose name nobody thought of stays with us. Not in it
# on purpose: XDG_RUNTIME_DIR, which leads to the user's service manager, whose children no guard
# sees; SSH_AUTH_SOCK; and the addresses of package indexes, which often hold a password.
ALLOWED_NAMES = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TZ", "TMPDIR"),
        *("LANG", "LANGUAGE", "LC_ALL", "LC_ADDRESS", "LC_COLLATE", "LC_CTYPE"),
        *("LC_IDENTIFICATION", "LC_MEASUREMENT", "LC_MESSAGES", "LC_MONETARY", "LC_NAME"),
        *("LC_NUMERIC", "LC_PAPER", "LC_TELEPHONE", "LC_TIME"),
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"),
        *("XDG_CONFIG_DIRS", "XDG_DATA_DIRS"),
        # How to reach package registries, and where their packages are kept.
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("NODE_EXTRA_CA_CERTS", "PIP_CERT", "PIP_CACHE_DIR", "UV_CACHE_DIR", "npm_config_cache"),
        *("CARGO_HOME", "RUSTUP_HOME", "GOPATH", "GOCACHE", "GOMODCACHE"),
    }
)


def allowed_environment(source: Mapping[str, str], extra_names: Collection[str]) -> dict[str, str]:
    """The part of `source` that a command may see: a fixed list of names and `extra_names`."""
    return {name: source[name] for name in source if name in ALLOWED_NAMES or name in extra_names}


def shell_argv(command: str) -> tuple[str, str, str]:
    """The argv that runs one line of shell."""
    return ("/bin/sh", "-c", command)
