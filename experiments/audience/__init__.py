"""Audience: who may enter, by what was known before the snapshot."""
