"""The budgets of kmodgate, measured side by side in one run: `python -m tests.bench`."""
