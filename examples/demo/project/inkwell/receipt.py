"""The printed receipt."""

from inkwell import discount, money
from inkwell.order import Order

WIDTH = 36


def render(order: Order) -> str:
    """The whole receipt, ready for the printer."""
    saved = discount.best(order)
    rows = [_row(f"{line.quantity} x {line.name}", line.cents) for line in order.lines]
    if saved:
        rows.append(_row("your discount", -saved))
    total = _row("total", order.cents - saved)
    return "\n".join([*_head(order), *rows, "-" * WIDTH, total]) + "\n"


def _head(order: Order) -> list[str]:
    names = ["Inkwell & Daughters", f"receipt {order.number:05}"]
    return [*(name.center(WIDTH).rstrip() for name in names), ""]


def _row(label: str, cents: int) -> str:
    price = money.show(cents)
    return label.ljust(WIDTH - len(price)) + price
