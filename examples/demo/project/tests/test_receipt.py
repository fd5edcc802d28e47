import unittest

from inkwell import receipt
from inkwell.order import Line, Order

LINES = (Line("Fountain pen", 1, 2400), Line("Ink, midnight blue", 2, 1250))


class Receipt(unittest.TestCase):
    def test_a_guest_sees_articles_and_total(self):
        self.assertEqual(
            receipt.render(Order(7, LINES)).splitlines()[3:],
            [
                "1 x Fountain pen              €24.00",
                "2 x Ink, midnight blue        €25.00",
                "------------------------------------",
                "total                         €49.00",
            ],
        )

    def test_a_member_sees_the_discount(self):
        text = receipt.render(Order(7, LINES, customer="member"))
        self.assertIn("your discount                 -€2.45\n", text)

    def test_the_number_stands_on_top(self):
        self.assertIn("receipt 00007\n", receipt.render(Order(7, LINES)))
