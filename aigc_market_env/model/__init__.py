"""The market's formulas, without players: links, quality of experience, satisfaction, outcomes."""
