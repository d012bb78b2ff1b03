"""Tests of the figures: the numbers that are drawn are those of the results."""
