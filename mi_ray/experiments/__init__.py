"""Floor 2: what is asked (declare), what it is called (identity), in which order (plan), what came out (cells)."""
