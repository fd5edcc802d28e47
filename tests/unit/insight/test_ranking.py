"""Words, what is known of a file, and the ranking of files by common words."""

from __future__ import annotations

import pytest

from concertmaster.insight.file_facts import (
    MAX_BYTES,
    MAX_WORDS,
    NOTHING,
    dump_facts,
    load_facts,
    study_file,
)
from concertmaster.insight.ranking import MOST_POSTINGS, WordField, best_of, gather
from concertmaster.insight.words import count_path_words, count_words, stem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The XMLServer", "xml serv xmlserver"),
        ("read_name", "read nam readname"),
        ("camelCase", "camel cas camelcase"),
        ("edits editing edited", "edit"),
        ("a I of the", ""),
        ("src/click/core.py", "src click cor py"),
        ("x" * 100, ""),
        ("größe", "größ"),
    ],
)
def test_a_text_is_split_into_stems_and_whole_names(text: str, words: str) -> None:
    assert [*count_words(text)] == words.split()


def test_the_words_of_many_paths_are_those_of_each() -> None:
    paths = ["src/readMe/two.py", "src/readMe/test_two.py", "top.md", "src/x.py"]

    assert count_path_words(paths) == {path: count_words(path) for path in paths}


def test_a_short_word_keeps_its_ending() -> None:
    assert [stem(word) for word in ("use", "uses", "ring", "parsers")] == [
        *("use", "use", "ring", "pars")
    ]


def test_what_is_known_of_a_file_survives_the_cache() -> None:
    facts = study_file(b"import os\n\ndef read_lines(path):\n    return path\n")

    assert (facts.definitions[0].name, facts.imports) == ("read_lines", ("os",))
    assert facts.words["path"] == 2
    assert load_facts(dump_facts(facts)) == facts


@pytest.mark.parametrize(
    "data", [b"", b"\0ELF", b"x" * (MAX_BYTES + 1), b"\xff\xfe" + "déf".encode("utf-16-le")]
)
def test_nothing_is_known_of_a_file_that_is_empty_binary_or_large(data: bytes) -> None:
    assert study_file(data) == NOTHING


def test_a_file_that_is_not_utf8_is_read_as_far_as_it_goes() -> None:
    assert "caf" in study_file(b"caf\xe9 parser\n").words


def test_only_the_most_frequent_words_are_kept() -> None:
    text = " ".join(f"w{chr(97 + n % 26)}{chr(97 + n // 26)}q" for n in range(26 * 26))

    assert len(study_file(f"{text} often often".encode()).words) == MAX_WORDS


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[1,2,3]", '[{"a":"x"},[],[]]', '[{},[["n"]],[]]', "[{},[],1]"]
)
def test_facts_that_another_program_wrote_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"facts|JSON|unpack|literal|Expecting"):
        load_facts(text)


FILES = {
    "lib/parser.py": {"parse": 9.0, "token": 3.0},
    "lib/printer.py": {"print": 5.0, "token": 1.0},
    "lib/long.py": {"parse": 9.0, "other": 900.0},
    "lib/none.py": {},
}


def ranked(query: dict[str, float]) -> list[str]:
    return best_of(WordField(FILES, gather([query])).match(query).scores, 9)


def test_files_are_ranked_by_rare_words_and_against_their_length() -> None:
    assert ranked({"parse": 1.0}) == ["lib/parser.py", "lib/long.py"]
    assert ranked({"token": 1.0, "print": 1.0})[0] == "lib/printer.py"
    assert ranked({"absent": 1.0}) == []


def test_a_match_tells_how_much_of_the_text_is_found() -> None:
    query = {"parse": 1.0, "absent": 1.0}
    found = WordField(FILES, gather([query])).match(query).get("lib/parser.py")

    assert found is not None
    assert found.relative == 1.0
    assert 0.0 < found.absolute < 1.0


def test_words_that_too_many_files_have_are_left_out_after_rare_ones() -> None:
    files: dict[str, dict[str, float]] = {
        f"{number}.py": {"common": 1.0} for number in range(MOST_POSTINGS)
    }
    files["0.py"]["rare"] = 1.0
    field = WordField(files, frozenset({"common", "rare"}))

    assert [*field.match({"common": 1.0, "rare": 1.0}).scores] == ["0.py"]
    assert len(field.match({"common": 1.0}).scores) == MOST_POSTINGS


def test_equal_scores_are_ordered_by_path() -> None:
    assert best_of({"b": 1.0, "a": 1.0, "c": 2.0}, 2) == ["c", "a"]
