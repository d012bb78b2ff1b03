"""One parser per CalcJob."""
