"""The reduction compared with its peers: speed, memory, equality."""
