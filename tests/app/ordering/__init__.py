"""Tests of app/ordering."""
