"""Design: what the planned arms can detect, what that costs, and whether the plan can work."""
