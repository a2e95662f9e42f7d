"""One module per form in which other tools take a winner; each turns settings into one text."""
