"""Runs the double by itself: `python -m tests.github ada/opera=path/to/repository --port 8123`.

Prints one line of JSON: the address, and a token of each owner. Ends by ^C.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from tests.github.admin import Admin
from tests.github.double import Double


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.github", description=__doc__)
    parser.add_argument(
        "repositories",
        nargs="*",
        metavar="OWNER/NAME[=FOLDER]",
        help="made at the start, with the branches and tags of the folder",
    )
    parser.add_argument(
        "--port", type=int, default=0, help="on 127.0.0.1; any free one if left out"
    )
    parser.add_argument("--folder", type=Path, help="where the bare repositories go; kept")
    parser.add_argument(
        "--until-input-ends", action="store_true", help="for a parent process that holds a pipe"
    )
    return parser.parse_args()


def serve(arguments: argparse.Namespace, folder: Path) -> None:
    double = Double(folder, port=arguments.port)
    double.admin = Admin(double)
    with double, suppress(KeyboardInterrupt):
        tokens = {}
        for text in arguments.repositories:
            name, _, source = text.partition("=")
            made = double.add_repository(name, source=Path(source).resolve() if source else None)
            tokens[made.owner.login] = double.user_token(made.owner, workflow_scope=True)
        sys.stdout.write(json.dumps({"url": double.url, "tokens": tokens}) + "\n")
        sys.stdout.flush()
        wait(arguments)


def wait(arguments: argparse.Namespace) -> None:
    if arguments.until_input_ends:
        sys.stdin.read()
    else:
        threading.Event().wait()


def main() -> None:
    arguments = read_arguments()
    if arguments.folder:
        serve(arguments, arguments.folder)
        return
    with tempfile.TemporaryDirectory(prefix="double-") as folder:
        serve(arguments, Path(folder))


if __name__ == "__main__":
    main()
