"""The stage language, its input scripts, the log reader and restart bookkeeping. No AiiDA."""
