"""Offerwise: A/B testing and uplift for CRM campaigns, from one YAML file to a verdict in money."""
