"""Running processes in this Python, without a daemon."""
