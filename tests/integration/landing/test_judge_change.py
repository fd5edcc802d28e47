"""The path policy reads from the commits what a change touches."""

from __future__ import annotations

from concertmaster.landing.path_classes import PathClass

PACKAGE = '{"version": "1", "scripts": {"test": "node run.js"}}'
BASE = {
    "check.sh": "python tools/lint.py\n",
    "tools/lint.py": "",
    "run.js": "",
    "free.py": "",
    "tests/test_a.py": "",
    "package.json": PACKAGE,
    "concertmaster.yml": "check: sh check.sh\nprotected: [db/**]\n",
}
CASES = [
    ({"check.sh": "exit 0\n"}, {"check.sh": PathClass.COMMAND}),
    ({"tools/lint.py": "exit()\n"}, {"tools/lint.py": PathClass.COMMAND}),
    ({"free.py": "1\n", "tests/test_a.py": "1\n"}, {}),
    ({"package.json": PACKAGE.replace('"1"', '"2"')}, {}),
    ({"package.json": PACKAGE.replace("node run.js", "true")}, {"package.json": PathClass.TOOL}),
    ({"tests/conftest.py": "1\n"}, {"tests/conftest.py": PathClass.TOOL}),
    ({"tests/new/conftest.py": "1\n", "tests/new/test_b.py": "1\n"}, {}),
    ({"uv.lock": "1\n"}, {"uv.lock": PathClass.DEPENDENCIES}),
]
