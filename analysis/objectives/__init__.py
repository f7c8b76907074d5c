"""Table III: written by `analysis/objectives_table.py` from the cells of `sweeps/objectives.py`."""
