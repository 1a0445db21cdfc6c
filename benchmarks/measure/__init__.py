"""Measurement from the ledger and the sources to moments, beside what one would write by hand."""
