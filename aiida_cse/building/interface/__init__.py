"""Assembly of slab and electrolyte."""
