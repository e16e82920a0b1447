"""Tests of workers/measurement."""
