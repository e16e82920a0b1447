"""Tests of app/study."""
