"""Force-field sets with citations, and their loader. No AiiDA."""
