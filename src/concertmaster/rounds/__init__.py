"""The rounds of a run on GitHub: history, results, verdicts, the state branch."""
