"""Floor 3: the same jobs as trials of one Ray Tune run, each released when the cell that it needs is committed."""
