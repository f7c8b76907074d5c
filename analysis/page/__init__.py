"""The report on a store: one HTML page written by `analysis/report.py` from the figures of all sweeps."""
