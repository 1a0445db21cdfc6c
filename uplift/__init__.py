"""Uplift: who gains from which offer, proven on members that the policy was not learned from."""
