"""Tests of the trainings that make the reference models."""
