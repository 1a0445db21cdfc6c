"""The uplift benchmark: simulated tests whose truth is known, beside other packages."""
