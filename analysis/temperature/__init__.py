"""Tables IV and V: written by `analysis/temperature_table.py` from the cells of `sweeps/temperature.py`."""
