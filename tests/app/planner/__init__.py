"""Tests of app/planner."""
