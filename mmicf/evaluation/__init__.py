"""Metrics of both families."""
