"""Journeys through the whole product: what a person does in the browser, and what survives kills."""
