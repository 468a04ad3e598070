"""Transforms of one clip."""
