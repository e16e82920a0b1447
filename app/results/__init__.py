"""All results at once: one row a run, kept as columns, filtered, counted and ordered."""
