"""Order files: a number and perhaps a customer, then one row for each article."""

import re

from inkwell import money
from inkwell.order import Line, Order

ROW = re.compile(r"(?P<quantity>\d+) x (?P<name>.+) @ (?P<price>\d+\.\d\d)")


def read_order(text: str) -> Order:
    """The order in a file's text; empty rows do not count."""
    head, *rows = [row.strip() for row in text.splitlines() if row.strip()]
    number, _, customer = head.removeprefix("order ").partition(" for ")
    lines = tuple(read_line(row) for row in rows)
    return Order(number=int(number), lines=lines, customer=customer or "guest")


def read_line(row: str) -> Line:
    """One row, such as "2 x Ink, midnight blue @ 12.50"."""
    found = ROW.fullmatch(row)
    return Line(found["name"], int(found["quantity"]), money.read(found["price"]))
