"""Tests of workers/catalog/models."""
