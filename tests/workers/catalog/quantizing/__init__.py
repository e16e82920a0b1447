"""Tests of what quantisations have in common."""
