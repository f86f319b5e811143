"""The map: in which worlds ours saves as much as the paper states, over load, satiation and spread of requirements."""
