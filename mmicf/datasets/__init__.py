"""Audio-visual datasets."""
