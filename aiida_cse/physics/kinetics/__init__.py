"""Barriers, rates and their extrapolation over temperature."""
