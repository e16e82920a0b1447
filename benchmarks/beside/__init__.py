"""Other dashboards with the same results, measured beside ours."""
