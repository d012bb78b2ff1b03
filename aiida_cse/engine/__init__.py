"""Embedded engine, which runs AiiDA processes in this Python; the package that uses internals of aiida-core."""
