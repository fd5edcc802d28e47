"""Holds what passes from round to round: results, verdicts, history and the state branch."""
