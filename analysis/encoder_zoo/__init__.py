"""Tables VI to IX: drawn by `analysis/measure_agreement.py` from the cells of `sweeps/encoder_zoo.py`."""
