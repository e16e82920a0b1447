"""Tests of app/charts."""
