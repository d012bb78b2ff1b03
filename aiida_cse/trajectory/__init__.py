"""Streaming reduction of trajectory segments. No AiiDA."""
