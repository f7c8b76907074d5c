"""Base classes of a user's own pairing, images and question."""
