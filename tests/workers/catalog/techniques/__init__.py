"""Tests of workers/catalog/techniques."""
