import unittest

from inkwell import discount
from inkwell.order import Line, Order


class Members(unittest.TestCase):
    def test_members_pay_five_percent_less(self):
        order = Order(1, (Line("Fountain pen", 1, 2400),), customer="member")
        self.assertEqual(discount.best(order), 120)

    def test_guests_pay_the_full_price(self):
        order = Order(1, (Line("Fountain pen", 1, 2400),))
        self.assertEqual(discount.best(order), 0)
