"""Promises that span rooms."""
