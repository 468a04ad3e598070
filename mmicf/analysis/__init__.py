"""What the tools for looking at runs, models and scores share; it may import every other package, none imports it."""
