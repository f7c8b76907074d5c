"""Floor 0: information theory and the tasks of the CDP images. Python, numpy and scipy only."""
