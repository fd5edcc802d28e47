"""Acts as the agent of benchmarks/foresight.py: it does the task that the prompt's heading names.

It is no model, but it works as one would: it reads the files as they are now, so that it does its
task behind any other, and it mends its result where that conflicts or breaks the check.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

CONFLICT = re.compile(r"^<<<<<<< .*?\n(.*?)^=======\n.*?^>>>>>>> .*?\n", re.MULTILINE | re.DOTALL)


def rewrite(name: str, change: Callable[[str], str]) -> None:
    path = Path(name)
    path.write_text(change(path.read_text()))


def wrap(name: str, function: str, around: str) -> None:
    """Put what the function returns into `around`, unless it is there."""
    begin, end = around.split("@")
    line = re.compile(rf"(def {function}\(.*\n    return )(.*)")
    rewrite(
        name,
        lambda text: line.sub(
            lambda found: (
                found[0]
                if begin in found[2] and end in found[2]
                else f"{found[1]}{begin}{found[2]}{end}"
            ),
            text,
        ),
    )


def append(name: str, text: str, *, unless: str) -> None:
    rewrite(name, lambda old: old if unless in old else old + text)


def test(task: str, imported: str, condition: str) -> None:
    Path("tests", f"test_{task}.py").write_text(
        f"import unittest\n\nfrom shop.{imported}\n\n\nclass Test(unittest.TestCase):\n"
        f"    def test_{task}(self):\n        self.assertTrue({condition})\n"
    )


def discount() -> None:
    wrap("shop/price.py", "total", "discounted(@)")
    append(
        "shop/price.py",
        "\n\ndef discounted(price):\n    return price * 0.9 if price > 100 else price\n",
        unless="def discounted",
    )
    test("discount", "price import total", "total([100, 100]) == 180")


def cents() -> None:
    wrap("shop/price.py", "total", "round(@, 2)")
    test("cents", "price import total", "total([0.1, 0.2]) == 0.3")


def never_negative() -> None:
    wrap("shop/stock.py", "reserve", "max(0, @)")
    test("never_negative", "stock import reserve", "reserve({'pen': 1}, 'pen', 2) == 0")


def whole_pieces() -> None:
    wrap("shop/stock.py", "reserve", "int(@)")
    test("whole_pieces", "stock import reserve", "reserve({'pen': 2.5}, 'pen', 1) == 1")


def comma() -> None:
    wrap("shop/mail.py", "greeting", "with_comma(@)")
    append(
        "shop/mail.py",
        "\n\ndef with_comma(text):\n    return f'{text.rstrip()},'\n",
        unless="def with_comma",
    )
    test("comma", "mail import greeting", "greeting('Ada').endswith(',')")


def no_blanks() -> None:
    wrap("shop/mail.py", "greeting", "' '.join((@).split())")
    test("no_blanks", "mail import greeting", "'  ' not in greeting(' Ada')")


def country() -> None:
    rewrite("shop/customers.py", lambda text: text.replace("(customers, name)", NEW_ARGUMENTS))
    for path in Path("shop").glob("*.py"):
        calls = (f"{CALL}customers, name)", WITH_COUNTRY)
        if path.name != "customers.py":
            rewrite(str(path), lambda text, calls=calls: text.replace(*calls))
    test("country", "customers import find_customer", "find_customer({'ada': 1}, 'ada', 'UK')")


CALL = "find_customer("
WITH_COUNTRY = 'find_customer(customers, name, country="UK")'
NEW_ARGUMENTS = "(customers, name, country)"


def invoice() -> None:
    is_new = NEW_ARGUMENTS in Path("shop/customers.py").read_text()
    call = WITH_COUNTRY if is_new else f"{CALL}customers, name)"
    rewrite("shop/report.py", lambda text: re.sub(r"find_customer\(customers.*\)", call, text))
    append(
        "shop/report.py",
        "\n\ndef invoice_line(customers, name):\n"
        f"    from shop.customers import find_customer\n\n    return f'{{name}}: {{{call}}}'\n",
        unless="def invoice_line",
    )
    test("invoice", "report import invoice_line", "invoice_line({'ada': 1}, 'ada') == 'ada: 1'")


def kilograms() -> None:
    rewrite("shop/shipping.py", lambda text: text.replace("pieces * 500\n", "pieces * 0.5\n"))
    rewrite("shop/labels.py", lambda text: text.replace("> 2000", "> 2"))
    test("kilograms", "shipping import weight", "weight(4) == 2")


def heavy() -> None:
    limit = "2000" if "pieces * 500\n" in Path("shop/shipping.py").read_text() else "2"
    rewrite("shop/labels.py", lambda text: re.sub(r"> \d+", f"> {limit}", text))
    append(
        "shop/labels.py",
        "\n\ndef is_heavy(pieces):\n"
        f"    from shop.shipping import weight\n\n    return weight(pieces) > {limit}\n",
        unless="def is_heavy",
    )
    test("heavy", "labels import is_heavy", "is_heavy(5) and not is_heavy(3)")


def slug() -> None:
    Path("shop/slug.py").write_text(
        "def slug(title):\n    return title.lower().replace(' ', '-')\n"
    )
    test("slug", "slug import slug", "slug('Red pens') == 'red-pens'")


def readme() -> None:
    append("README.md", "\n## Tests\n\n    python3 -m unittest\n", unless="## Tests")


TASKS: dict[str, Callable[[], None]] = {
    "A discount for large orders": discount,
    "Totals in whole cents": cents,
    "No negative stock": never_negative,
    "Whole pieces": whole_pieces,
    "A comma behind the greeting": comma,
    "No double blanks in a greeting": no_blanks,
    "Customers by country": country,
    "A line of an invoice": invoice,
    "Weights in kilograms": kilograms,
    "Mark heavy parcels": heavy,
    "Addresses of products": slug,
    "How to run the tests": readme,
}


def main() -> int:
    seconds = float(sys.argv[1])
    prompt = sys.stdin.read()
    title = next(title for title in TASKS if f"# {title}\n" in prompt)
    time.sleep(seconds)
    for path in [*Path("shop").glob("*.py"), Path("CHANGES.md"), Path("README.md")]:
        rewrite(str(path), lambda text: CONFLICT.sub(r"\1", text))  # the target's side
    TASKS[title]()
    append("CHANGES.md", f"- {title}\n", unless=title)
    return 0


if __name__ == "__main__":
    sys.exit(main())
