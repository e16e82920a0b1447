"""Other dashboards."""
