"""How long a benchmark has to run: warm-up, looks while it runs, and bounds that hold at every look."""
