"""Fig. 5: drawn by `analysis/infomin_curves.py` from the cells of `sweeps/infomin_strength.py`."""
