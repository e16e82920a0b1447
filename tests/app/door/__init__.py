"""Tests of app/door."""
