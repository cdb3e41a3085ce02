"""One page of HTML that shows all pictures of a run, by itself and offline."""
