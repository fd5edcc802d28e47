import unittest

from inkwell import money


class Money(unittest.TestCase):
    def test_text_becomes_whole_cents(self):
        self.assertEqual(money.read("12.50"), 1250)

    def test_small_change_keeps_its_zeros(self):
        self.assertEqual(money.show(705), "€7.05")

    def test_a_discount_has_its_sign_in_front(self):
        self.assertEqual(money.show(-245), "-€2.45")
