"""Table X: written by `analysis/negatives_table.py` from the cells of `sweeps/negatives.py`."""
