"""Studies and productions as tables."""
