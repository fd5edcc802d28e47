import contextlib
import io
import unittest
from pathlib import Path

from inkwell import cli

ORDER = Path(__file__).parent.parent / "orders" / "1017.txt"


def output_of(*arguments):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        cli.main([*arguments, str(ORDER)])
    return output.getvalue()


class CommandLine(unittest.TestCase):
    def test_it_prints_a_receipt(self):
        self.assertIn("total                         €46.55\n", output_of())
