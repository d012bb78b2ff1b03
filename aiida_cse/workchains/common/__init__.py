"""Ports, builders and options that the WorkChains share."""
