"""What the paper's own text and printed tables show when they are looked at once more."""
