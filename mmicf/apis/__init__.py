"""Entry points for users."""
