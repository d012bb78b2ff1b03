"""Mutation benchmark of the known-answer validation: faults that are planted, and the checks that see them."""
