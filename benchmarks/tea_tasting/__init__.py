"""Speed against tea-tasting, on the same table in the same engine."""
