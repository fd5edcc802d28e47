"""Amounts of money: whole cents inside, text outside."""


def read(text: str) -> int:
    """The cents of an amount as people write it: "12.50" is 1250."""
    whole, cents = text.split(".")
    return int(whole) * 100 + int(cents)


def show(cents: int) -> str:
    """The amount as a receipt prints it: 1250 is "€12.50"."""
    sign = "-" if cents < 0 else ""
    whole, rest = divmod(abs(cents), 100)
    return f"{sign}€{whole}.{rest:02}"
