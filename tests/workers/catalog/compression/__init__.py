"""Tests of workers/catalog/compression."""
