"""Data: every source opened, and checked as the definition uses it."""
