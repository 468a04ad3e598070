"""Hooks and loops."""
