"""Tests of workers/measurement/probes."""
