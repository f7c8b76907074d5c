"""How the driver lives through the start of a cluster."""
