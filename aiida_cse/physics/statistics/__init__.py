"""Statistics of counts, rates and correlated series."""
