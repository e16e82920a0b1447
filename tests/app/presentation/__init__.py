"""Tests of app/presentation."""
