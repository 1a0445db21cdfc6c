"""Assignment at member scale: features, caps, segments, arms and the ledger, beside a hand-written query and other packages."""
