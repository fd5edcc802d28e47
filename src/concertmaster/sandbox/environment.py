"""Selects the environment variables that a command gets."""

from __future__ import annotations

from collections.abc import Collection, Mapping

# An allow-list, so that a secret with an unforeseen name is not passed on. Left out on purpose:
# XDG_RUNTIME_DIR, because no guard sees the children of the user's service manager;
# SSH_AUTH_SOCK; and the addresses of package indexes, because they often contain a password.
ALLOWED_NAMES = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TZ", "TMPDIR"),
        *("LANG", "LANGUAGE", "LC_ALL", "LC_ADDRESS", "LC_COLLATE", "LC_CTYPE"),
        *("LC_IDENTIFICATION", "LC_MEASUREMENT", "LC_MESSAGES", "LC_MONETARY", "LC_NAME"),
        *("LC_NUMERIC", "LC_PAPER", "LC_TELEPHONE", "LC_TIME"),
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"),
        *("XDG_CONFIG_DIRS", "XDG_DATA_DIRS"),
        # Access to package registries, and the caches of their packages.
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("NODE_EXTRA_CA_CERTS", "PIP_CERT", "PIP_CACHE_DIR", "UV_CACHE_DIR", "npm_config_cache"),
        *("CARGO_HOME", "RUSTUP_HOME", "GOPATH", "GOCACHE", "GOMODCACHE"),
    }
)


def allowed_environment(source: Mapping[str, str], extra_names: Collection[str]) -> dict[str, str]:
    """Return the variables of `source` named in ALLOWED_NAMES or `extra_names`."""
    return {name: source[name] for name in source if name in ALLOWED_NAMES or name in extra_names}


def shell_argv(command: str) -> tuple[str, str, str]:
    """Return the arguments that run one line of shell."""
    return ("/bin/sh", "-c", command)
