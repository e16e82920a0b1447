"""Tests of workers/catalog/evaluations."""
