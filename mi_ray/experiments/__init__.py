"""Floor 2: what is asked (declarations), what it is called (identity), in which order (plan), and what came out (cells)."""
