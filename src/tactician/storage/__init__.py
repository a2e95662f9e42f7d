"""What past runs left behind, in one SQLite file that survives crashes of the tuner and of the host."""
