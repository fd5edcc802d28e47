from __future__ import annotations

import base64
import codecs
import json
import random
import re
import string
import urllib.parse

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from concertmaster.text.redaction import REPLACEMENT, is_common, redact, redact_lines
from tests.conftest import in_matrix
from tests.cpu_limit import cpu_limit

ALPHABET = string.ascii_letters + string.digits


def random_text(length: int, *, seed: int = 1) -> str:
    return "".join(random.Random(seed).choices(ALPHABET, k=length))


SECRET = f"s3cr3t/{random_text(33)}"
KEY = "\n".join(
    (
        "-----BEGIN RSA PRIVATE KEY-----",
        *(random_text(64, seed=n) for n in range(20)),
        "-----END RSA PRIVATE KEY-----",
    )
)
JWT = f"eyJhbGciOiJIUzI1NiJ9.eyJ{random_text(200)}.{random_text(43)}"
TOKENS = {
    "classic": f"ghp_{random_text(36)}",
    "oauth": f"gho_{random_text(36)}",
    "user": f"ghu_{random_text(36)}",
    "refresh": f"ghr_{random_text(76)}",
    "installation": f"ghs_{random_text(36)}",
    "installation of 2026": f"ghs_1234567_{JWT}",
    "installation of 520 characters": f"ghs_1234567_{JWT}{random_text(260)}-_",
    "fine-grained": f"github_pat_{random_text(22)}_{random_text(59)}",
    "Anthropic": f"sk-ant-api03-{random_text(40)}-{random_text(52)}_AA",
    "Anthropic OAuth": f"sk-ant-oat01-{random_text(90)}",
    "OpenAI": f"sk-proj-{random_text(60)}",
    "Google": f"AIza{random_text(35)}",
    "AWS": "AKIAIOSFODNN7EXAMPLE",
    "AWS session": "ASIAIOSFODNN7EXAMPLE",
    "Slack": f"xoxb-123456789012-{random_text(24)}",
    "npm": f"npm_{random_text(36)}",
    "PyPI": f"pypi-AgEIcHlwaS5vcmc{random_text(120)}",
    "GitLab": f"glpat-{random_text(20)}",
    "Hugging Face": f"hf_{random_text(34)}",
    "JWT": JWT,
    "private key": KEY,
    "private key without its end": KEY[:900],
    "PGP": KEY.replace("RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK"),
}


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
@pytest.mark.parametrize(
    "around", ["{}", "x{}", "KEY={}", '{{"t": "{}"}}', "`{}`", "https://{}@github.com/o/r", "({})."]
)
def test_every_known_kind_of_token_is_found_wherever_it_stands(token: str, around: str) -> None:
    if around == "x{}" and token.startswith(("sk-proj", "-----")):
        around = "9{}"  # after a letter, `sk-` may be part of a word such as `task-`

    redacted = redact(around.format(token), secrets=())

    assert REPLACEMENT in redacted
    assert not any(token[n : n + 12] in redacted for n in range(0, len(token) - 12, 4))


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Authorization: Bearer abcdefgh12345678", "Authorization: Bearer ***"),
        ("AUTHORIZATION: basic eC1hY2Nlc3M6Zm9v", "AUTHORIZATION: basic ***"),
        ('{"Authorization": "token abc123abc123"}', '{"Authorization": "token ***"}'),
        ("curl -H 'authorization: Abc12345'", "curl -H 'authorization: ***'"),
        ("git clone https://ada:hunter2@x.org/r", "git clone https://***@x.org/r"),
        ("https://x-access-token:abc@github.com", "https://***@github.com"),
        ("postgres://u:p%40ss@db:5432/x", "postgres://***@db:5432/x"),
        ("API_KEY=a1b2c3d4e5f6a7b8c9", "API_KEY=***"),
        ('"client_secret": "a1b2c3d4e5f6a7b8c9"', '"client_secret": "***"'),
        ("ghs_" + "a.b-c_1" * 80 + ", next", "***, next"),
    ],
)
def test_what_stands_where_a_secret_stands_is_replaced(text: str, redacted: str) -> None:
    assert redact(text, secrets=()) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "Plain prose about tokens, secrets and passwords.",
        "task-ant-colony-simulation-for-the-planner-3f2a",
        "task-implement-login-page-with-tests-and-docs-1a2b",
        "commit 0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
        "max_tokens: 4096, input_tokens=123",
        "token = read_token(path)",
        "basic understanding, bearer of bad news",
        "authorization: required",
        "https://x.org:8080/a@b",
        "https://github.com/o/r/blob/main/a.md#L1",
        "ghp_ and sk-ant- are prefixes",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text, secrets={SECRET}) == text


def spell(secret: str, spelling: str) -> str:
    quoted = urllib.parse.quote(secret, safe="")
    return {
        "plain": secret,
        "reversed": secret[::-1],
        "rot13": codecs.encode(secret, "rot13"),
        "hex": secret.encode().hex(),
        "HEX": secret.encode().hex().upper(),
        "base64": base64_of(secret),
        "base64 of more, 1": base64_of(f"a{secret}bcd"),
        "base64 of more, 2": base64_of(f"ab{secret}cd"),
        "base64 of more, 3": base64_of(f"abc{secret}d"),
        "base64 for URLs": base64.urlsafe_b64encode(secret.encode()).decode(),
        "base64 in lines": base64.encodebytes(secret.encode() * 2).decode(),
        "quoted": quoted,
        "quoted in small letters": re.sub("%..", lambda m: m[0].lower(), quoted),
        "quoted wholly": "".join(f"%{byte:02X}" for byte in secret.encode()),
        "JSON": json.dumps(secret)[1:-1],
        "JSON with slashes": json.dumps(secret)[1:-1].replace("/", "\\/"),
        "JSON in JSON": json.dumps(json.dumps(secret)[1:-1])[1:-1],
        "in two lines": f"{secret[:20]}\n   {secret[20:]}",
        "spaced": " ".join(secret),
        "coloured": f"{secret[:9]}\x1b[0m{secret[9:]}",
        "without its beginning": secret[7:],
        "without its end": secret[:-7],
        "base64 without its beginning": base64_of(secret[7:]),
    }[spelling]


SPELLINGS = (
    "plain/reversed/rot13/hex/HEX/base64/base64 of more, 1/base64 of more, 2/base64 of more, 3/"
    "base64 for URLs/base64 in lines/quoted/quoted in small letters/quoted wholly/JSON/"
    "JSON with slashes/JSON in JSON/in two lines/spaced/coloured/without its beginning/"
    "without its end/base64 without its beginning"
).split("/")


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    "secret", [SECRET, f'p"ss\\w+ö rd/{random_text(30)}', random_text(520), TOKENS["Anthropic"]]
)
def test_a_secret_that_we_hold_is_found_however_it_is_spelled(secret: str, spelling: str) -> None:
    written = spell(secret, spelling)

    redacted = redact(f"before {written} behind", secrets={secret, "another-secret"})

    assert REPLACEMENT in redacted
    left = redacted.removeprefix("before ").removesuffix(" behind")
    assert not any(written[n : n + 24] in left for n in range(max(1, len(written) - 24)))


@pytest.mark.parametrize(
    "written",
    [
        "2222retnuh",
        "uhagre2222",
        "68756e74657232323232",
        "aHVudGVyMjIyM",
        "%68%75%6e%74%65%72%32%32%32%32",
    ],
)
def test_a_short_secret_is_found_in_other_spellings(written: str) -> None:
    assert redact(f"a {written} b", secrets={"hunter2222"}) == "a *** b"


def test_each_line_of_a_secret_of_several_lines_is_found() -> None:
    secret = "first-line-of-it\nshort\nthird-line-of-it\n"

    assert redact("a third-line-of-it b", secrets={secret}) == "a *** b"
    assert redact("first-line-of-it", secrets={secret}) == "***"
    assert redact("short", secrets={secret}) == "short"


def test_what_is_too_short_to_be_a_secret_stays() -> None:
    assert redact("a test of tests", secrets={"test", "", "a"}) == "a test of tests"


def test_spaces_round_a_secret_do_not_hide_it() -> None:
    assert redact("x hunter2222 y", secrets={" hunter2222\n"}) == "x *** y"


def test_a_short_secret_does_not_swallow_words_that_happen_to_spell_it() -> None:
    assert redact("foo bar", secrets={"foobar"}) == "foo bar"


def test_a_key_does_not_tear_a_code_block_open() -> None:
    text = "-----BEGIN PRIVATE KEY-----\n```\n@x\n```\n-----END PRIVATE KEY-----"

    assert redact(text, secrets=()).count("```") == 2


secrets = st.sets(st.text(alphabet=st.characters(exclude_characters="*"), min_size=6), max_size=3)
pieces = st.lists(
    st.text() | st.sampled_from([*TOKENS.values(), "token=", "://a:b@", "eyJ", "ghp_"])
)


@given(pieces.map("".join), secrets)
@example("sk-0000000000000000000A:AKIA000000000000000A", set())
def test_no_secret_is_left_and_to_redact_again_changes_nothing(text: str, held: set[str]) -> None:
    whole = text + "".join(sorted(held)) + text

    redacted = redact(whole, secrets=held)

    assert not any(secret in redacted for secret in held)
    assert redact(redacted, secrets=held) == redacted


@given(st.lists(st.binary()), secrets)
def test_a_stream_keeps_its_lines_and_what_is_no_secret(lines: list[bytes], held: set[str]) -> None:
    redacted = list(redact_lines(lines, secrets=held))

    assert len(redacted) == len(lines)
    assert list(redact_lines(redacted, secrets=held)) == redacted


@given(st.recursive(st.text() | st.integers() | st.none(), st.lists, max_leaves=5))
def test_a_record_of_a_stream_is_still_a_record(value: object) -> None:
    record = {"event": "Note", "value": value, "secret": SECRET}
    line = json.dumps(record).encode() + b"\n"

    (redacted,) = redact_lines([line], secrets={SECRET})

    assert json.loads(redacted) == {"event": "Note", "value": value, "secret": REPLACEMENT}
    assert redacted.endswith(b"}\n")


@pytest.mark.parametrize(
    "secret", ['with "quotes" and \\', "ünï-çödé", "two\nlines-of-it", "424242"]
)
def test_a_secret_is_found_in_a_record_however_json_escapes_it(secret: str) -> None:
    escaped = "".join(f"\\u{ord(character):04x}" for character in secret)
    values = [json.dumps(secret), f'"{escaped}"', json.dumps(json.dumps({"a": secret}))]
    if secret.isdecimal():
        values.append(secret)

    for value in values:
        line = f'{{"text": {value}}}\n'.encode()
        (redacted,) = redact_lines([line], secrets={secret})
        assert REPLACEMENT in json.loads(redacted)["text"]
        assert json.dumps(secret)[1:-1] not in redacted.decode()


def test_a_record_without_secrets_keeps_every_byte() -> None:
    line = b'{ "a" : 1.0, "b":"\\u00e9\\n" }\r\n'

    assert list(redact_lines([line], secrets={SECRET})) == [line]


def test_a_key_over_several_lines_of_a_stream_is_found() -> None:
    lines = [line.encode() + b"\n" for line in ("before", *KEY.split("\n"), "all is well, go on")]

    redacted = list(redact_lines(lines, secrets=()))

    assert redacted[0] == b"before\n"
    assert redacted[-1] == b"all is well, go on\n"
    assert redacted[1:-2] == [b"***\n"] * (len(lines) - 3)


def test_bytes_that_are_no_text_stay() -> None:
    line = b"\xff\xfe hunter2222 \x80\n"

    assert list(redact_lines([line], secrets={"hunter2222"})) == [b"\xff\xfe *** \x80\n"]


SECONDS = 9.0  # of the processor; a megabyte takes a tenth, quadratic time would be a minute
# One text for each reader: keys, tokens, words in a context, and scattered secrets.
COSTLY = ["-----BEGIN PRIVATE KEY-----\n", "eyJ.", "token: a1", "://a:", "\x1b[", "s 3 c r 3 t / "]
LESS_COSTLY = [
    *("a", "eyJ", "ghp_", "sk-", "token=", "bearer ", "basic a1 "),
    *("-----BEGIN PRIVATE KEY-----", "-----", " ", "\\n"),
    *("authorization: ", SECRET, f"{SECRET[:20]} "),
]


@pytest.mark.parametrize("size", [1 << 17, *in_matrix([1 << 20])])
@pytest.mark.parametrize("piece", [*COSTLY, *in_matrix(LESS_COSTLY)])
def test_much_hostile_text_is_redacted_to_its_end(piece: str, size: int) -> None:
    text = (piece * size)[:size]

    with cpu_limit(seconds=SECONDS):
        redacted = redact(text, secrets={SECRET, KEY})

    assert 0 < len(redacted) <= len(text)


@pytest.mark.parametrize(
    "piece", [b"+", b"-----BEGIN PRIVATE KEY-----", *in_matrix([b"a", b'{"a":'])]
)
def test_a_megabyte_in_one_line_of_a_stream_is_redacted_to_its_end(piece: bytes) -> None:
    line = (piece * (1 << 20))[: 1 << 20]

    lines = [b"-----BEGIN PRIVATE KEY-----\n", line]

    assert len([*redact_lines(lines, secrets={SECRET})]) == 2


@pytest.mark.parametrize(
    "value",
    [
        "true",
        "7654321",
        "production",
        "us-east-1",
        "us-gov-west-1",
        "europe-west4",
        "/usr/local/bin",
        "/etc/ssl/certs/ca-certificates.crt",
        "https://example.org",
        "https://proxy.example.org:8080/v1",
    ],
)
def test_values_of_every_log_are_common(value: str) -> None:
    assert is_common(value)


@pytest.mark.parametrize(
    "value",
    [
        "postgres://ada:pw@db.example.org/opera",
        "https://0a1b2c3d@o1.ingest.sentry.io/42",
        "https://hooks.example.org/services/T0001/B0002/XXXXXXXXXXXXXXXX",
        "https://example.org/?key=1",
        "hunter2-hunter2",
        "correct horse battery",
        "12345678",
        "0a1b2c3d4e5f",
        "S3cr3tAB",
        "dXNlcjpwYXNz",
        "multi\nline-value",
    ],
)
def test_a_value_that_may_be_a_secret_is_not_common(value: str) -> None:
    assert not is_common(value)
