"""Tests of app/team."""
