"""Rows that `facecli run` wrote become people, and people become figures or a ranking."""
