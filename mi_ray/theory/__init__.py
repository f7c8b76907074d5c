"""Floor 0: information theory and the tasks of the CDP images. Imports numpy and scipy only."""
