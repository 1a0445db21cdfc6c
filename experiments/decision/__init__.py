"""Decision: effects in families, eligibility, the pick and the verdict, as the definition's rule says."""
