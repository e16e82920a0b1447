"""Tests of workers/catalog/workloads."""
