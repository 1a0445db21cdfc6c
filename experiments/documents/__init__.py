"""Documents: what a command answers, as frozen types and as JSON."""
