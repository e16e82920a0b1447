"""Tests of app/knowledge."""
