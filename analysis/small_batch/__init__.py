"""Fig. 4: drawn by `analysis/small_batch_bars.py` from the cells of `sweeps/small_batch.py`."""
