"""Tests of app/devices."""
