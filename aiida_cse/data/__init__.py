"""Data plugins."""
