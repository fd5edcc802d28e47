"""Definitions and imports that regular expressions find in source text."""

from __future__ import annotations

import pytest

from concertmaster.insight.definitions import (
    MAX_DEFINITIONS,
    MAX_IMPORTS,
    find_definitions,
    find_imports,
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            "def one(a):\n    return a\n\nclass Two:\n    async def three(self): ...\n",
            "one Two three",
        ),
        ("LIMIT = 3\nlower = 4\n    NOT_HERE = 1\n", "LIMIT"),
        ("func (r *Router) Mount(p string) {\n}\nfunc New() *Router {\n", "Mount New"),
        ("type Handler interface {\n}\n", "Handler"),
        ("pub(crate) fn run<T>(x: T) {}\nimpl<T> Walk for Dir {\n}\n", "run Walk"),
        ("macro_rules! err {\n", "err"),
        ("export default async function load() {}\nconst limit = 3\n", "load limit"),
        ("exports.static = function () {\napp.use = function use(fn) {\n", "static use"),
        ("static int jv_get(jv t, jv k) {\n#define JV_OK 1\n", "jv_get JV_OK"),
        ("  public void close() {\n  if (open) {\n  return call(x) {\n", "close"),
        ("def find(x)\nend\nmodule Net\nend\n", "find Net"),
        ("no definition here\n\n", ""),
        ("x" * 500 + "\ndef after(): ...", "after"),
    ],
)
def test_a_definition_is_found_by_the_first_words_of_its_line(text: str, names: str) -> None:
    assert [found.name for found in find_definitions(text)] == names.split()


def test_a_definition_ends_with_the_last_line_that_is_indented_deeper() -> None:
    text = (
        "class A:\n    def b(self):\n        x\n\n        y\n    z = 1\n\nfunction c() {\n  x\n}\n"
    )

    found = {one.name: (one.first, one.last) for one in find_definitions(text)}

    assert found == {"A": (1, 6), "b": (2, 5), "c": (8, 10)}


@pytest.mark.parametrize(
    ("line", "imported"),
    [
        ("from pkg.mod import thing", "pkg.mod"),
        ("from .mod import thing", ".mod"),
        ("import os.path", "os.path"),
        ("import numpy as np, sys", "numpy"),
        ("import static org.junit.Assert;", "org.junit.Assert"),
        ("import x, { y } from './z'", "./z"),
        ('import x from "./lib/x.js"', "./lib/x.js"),
        ("const y = require('../y')", "../y"),
        ("use crate::walk::Walker;", "crate::walk::Walker"),
        ("mod walk;", "walk"),
        ('#include "jv.h"', "jv.h"),
        ("#include <stdio.h>", "stdio.h"),
        ('\t"github.com/go-chi/chi/v5/middleware"', "github.com/go-chi/chi/v5/middleware"),
        ("require_relative 'net/http'", "net/http"),
    ],
)
def test_an_import_is_found_as_it_is_spelled(line: str, imported: str) -> None:
    assert find_imports(f"\n{line}\n") == (imported,)


def test_a_huge_file_gives_a_limited_number() -> None:
    text = "".join(f"def f{n}(): ...\nimport m{n}\n" for n in range(5000))

    assert len(find_definitions(text)) == MAX_DEFINITIONS
    assert len(find_imports(text)) == MAX_IMPORTS


@pytest.mark.parametrize("piece", ["a " * 199, "pub(" * 90, "x." * 190, "((" * 190, "import " * 50])
def test_hostile_text_is_read_in_reasonable_time(piece: str) -> None:
    text = f"{piece}\n" * 2000

    assert find_definitions(text) == find_definitions(text)
    assert len(find_imports(text)) <= MAX_IMPORTS
