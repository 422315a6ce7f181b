"""Companies: one row a school, whatever the systems call it, under an id that stays."""
