"""The definition of an experiment: one YAML file as typed, frozen objects."""
