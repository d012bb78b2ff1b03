"""Comparison of several processes: their settings, and their results side by side."""
