"""What a customer buys."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """Some pieces of one article."""

    name: str
    quantity: int
    unit_cents: int

    @property
    def cents(self) -> int:
        return self.quantity * self.unit_cents


@dataclass(frozen=True)
class Order:
    """All that goes on one receipt."""

    number: int
    lines: tuple[Line, ...]
    customer: str = "guest"

    @property
    def cents(self) -> int:
        """The price before any discount."""
        return sum(line.cents for line in self.lines)
