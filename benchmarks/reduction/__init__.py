"""The reduction beside its peers: speed, memory, equality."""
