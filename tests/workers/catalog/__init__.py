"""Tests of workers/catalog."""
