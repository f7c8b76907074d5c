"""Tidy tables, differences and print layout: shared by the scripts of all figures and sweeps."""
