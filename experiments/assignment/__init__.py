"""Assignment: the draw, the ledger that keeps it, the lists that go out, and everybody assigned."""
