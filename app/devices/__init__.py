"""Devices: what they are, what was measured of them, what their makers say."""
