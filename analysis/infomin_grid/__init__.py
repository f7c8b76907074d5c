"""Figs. 6 and 7: drawn by `analysis/infomin_heatmap.py` from the cells of `sweeps/infomin_grid.py`."""
