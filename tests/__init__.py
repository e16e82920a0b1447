"""Tests: a mirror of the source by path, contracts that span rooms, and journeys through the whole product."""
