"""One streaming pass over the segments of a production gives a mergeable state. No AiiDA."""
