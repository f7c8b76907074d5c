"""Floor 2: declarations, their plan, the store of cells, and the computation of one job."""
