"""The embedded engine: AiiDA processes run in this Python; the room that touches internals of aiida-core."""
