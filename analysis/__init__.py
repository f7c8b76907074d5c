"""Figures and tables of the paper. Each has a script here, and a folder with its table, figure and verdict.

Fig. 4: `small_batch`. Fig. 5: `infomin_strength`. Figs. 6 and 7: `infomin_grid`. Tables I and II: `agreement`.
Table III: `objectives`. Tables IV and V: `temperature`. Tables VI to IX: `encoder_zoo`. Table X: `negatives`.
Beyond the paper: `augmentation` and `page`, the report. Shared by all: `tables`.
"""
