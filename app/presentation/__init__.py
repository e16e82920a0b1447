"""Runs, studies and machines as pages and the JSON API show them."""
