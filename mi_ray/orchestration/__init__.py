"""Floor 3: jobs as trials of one Ray Tune run; a trial starts once the cell that it depends on is committed."""
