"""Money: what each arm brought, as attributed and incremental to no contact."""
