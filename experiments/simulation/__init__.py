"""Simulation: are the engine's error rates what they promise, on the experiment's own members and outcomes?"""
