"""Quick calcfunctions, one theme per file."""
