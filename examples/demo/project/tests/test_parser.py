import unittest

from inkwell import parser
from inkwell.order import Line


class OrderFile(unittest.TestCase):
    def test_an_order_has_a_number_a_customer_and_lines(self):
        order = parser.read_order("order 12 for member\n\n2 x Nib, fine @ 3.20\n")
        self.assertEqual((order.number, order.customer), (12, "member"))
        self.assertEqual(order.lines, (Line("Nib, fine", 2, 320),))

    def test_who_is_not_named_is_a_guest(self):
        self.assertEqual(parser.read_order("order 12").customer, "guest")
