"""What the plots of the guide show, one module for each family; importing them needs no matplotlib."""
