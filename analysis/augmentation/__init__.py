"""Beyond the paper: drawn by `analysis/augmentation_search.py` from the search of `sweeps/augmentation_search.py`."""
