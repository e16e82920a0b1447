"""What the runs of one study say together: ratios, verdicts, budgets, the front. Arithmetic, drawn and told elsewhere."""
