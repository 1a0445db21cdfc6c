"""Measurement: from events and rows to one number for each member, and from those to moments."""
