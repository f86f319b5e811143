"""How good policies for markets of every size are."""
