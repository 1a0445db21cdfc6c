"""Experiments: from a definition in YAML to a decision."""
