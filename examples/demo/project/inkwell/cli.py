"""The command line: an order file in, a receipt out."""

import argparse
from pathlib import Path

from inkwell import parser, receipt


def main(argv: list[str] | None = None) -> int:
    """Print the receipt of one order file."""
    arguments = _arguments().parse_args(argv)
    order = parser.read_order(arguments.file.read_text(encoding="utf-8"))
    print(receipt.render(order), end="")
    return 0


def _arguments() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(prog="inkwell", description=__doc__)
    arguments.add_argument("file", type=Path, help="the order, as a text file")
    return arguments
