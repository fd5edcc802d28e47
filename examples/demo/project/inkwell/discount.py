"""Discounts: each rule looks at an order and answers with the cents it takes off."""

from inkwell.order import Order


def members(order: Order) -> int:
    """Five percent for members of the reading circle."""
    return order.cents * 5 // 100 if order.customer == "member" else 0


RULES = [
    members,
]


def best(order: Order) -> int:
    """The largest discount that applies; discounts never add up."""
    return max(rule(order) for rule in RULES)
