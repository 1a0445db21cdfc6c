"""Simulations that judge the error rates and the coverage of every statistic."""
