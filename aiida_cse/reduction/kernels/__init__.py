"""Compiled loops of the reduction."""
