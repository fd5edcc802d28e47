from __future__ import annotations

import pytest

from concertmaster.errors import UsageError
from concertmaster.github.issue_reference import (
    IssueReference,
    check_server,
    read_issue,
    read_repository,
)

HUB = "https://github.com"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("12", IssueReference(number=12)),
        (" #12 ", IssueReference(number=12)),
        ("ada/opera#12", IssueReference(repository="ada/opera", number=12)),
        (
            f"{HUB}/ada/opera/issues/12",
            IssueReference(host="github.com", repository="ada/opera", number=12),
        ),
        (
            f"{HUB}/ada/opera/issues/12#issuecomment-7",
            IssueReference(host="github.com", repository="ada/opera", number=12),
        ),
        (
            "http://127.0.0.1:8080/ada/o.p-e_ra/issues/12/",
            IssueReference(host="127.0.0.1:8080", repository="ada/o.p-e_ra", number=12),
        ),
    ],
)
def test_an_issue_is_read_as_people_write_it(text: str, address: IssueReference) -> None:
    assert read_issue(text) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "-1", "twelve", "1" * 19, "12 13", "ada#12", "../..#12", "ada/..#1"),
        *(f"{HUB}/ada/opera/pull/12", f"{HUB}/ada/opera/issues", f"{HUB}/ada/a%2fb/issues/1"),
        "https://token@github.com/ada/opera/issues/12",
    ],
)
def test_what_names_no_issue_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="names no issue"):
        read_issue(text)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("ada/opera", ""),
        (f"{HUB}/ada/opera", "github.com"),
        (f"{HUB}/ada/opera.git", "github.com"),
        ("https://x-access-token:secret@github.com/ada/opera.git", "github.com"),
        ("http://127.0.0.1:8080/ada/opera.git", "127.0.0.1:8080"),
        ("git@github.com:ada/opera.git", "github.com"),
        ("github.com:ada/opera", "github.com"),
        ("ssh://git@github.com/ada/opera.git", "github.com"),
        ("ssh://git@github.com:22/ada/opera.git/", "github.com"),
    ],
)
def test_a_repository_is_read_from_the_url_of_a_remote(url: str, host: str) -> None:
    assert read_repository(url) == IssueReference(host=host, repository="ada/opera")


@pytest.mark.parametrize(
    "url", ["", "opera", "/srv/git/opera.git", "../opera", f"{HUB}/a/b/c", "ada/..", "-a/b"]
)
def test_a_url_that_names_no_repository_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError, match="is not known") as caught:
        read_repository(url)
    assert not url or url not in caught.value.what + caught.value.why


@pytest.mark.parametrize(
    ("host", "server"),
    [("", HUB), ("github.com", HUB), ("GitHub.com", f"{HUB}/"), ("h:81", "http://h:81")],
)
def test_an_address_on_the_server_of_the_token_is_fine(host: str, server: str) -> None:
    check_server(IssueReference(host=host), server)


@pytest.mark.parametrize("host", ["evil.example", "github.com.evil.example", "github.com:8443"])
def test_the_token_goes_to_no_other_server(host: str) -> None:
    with pytest.raises(UsageError, match=host):
        check_server(IssueReference(host=host), HUB)
