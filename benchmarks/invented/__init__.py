"""Studies that nobody has measured, with plausible figures, for timing the dashboard."""
