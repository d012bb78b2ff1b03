"""Coverage of the intervals and error rates of the stop rule on models with known answers."""
