"""Tests of what a model needs."""
