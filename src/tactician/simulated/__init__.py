"""A host and a benchmark that exist only in memory: dry runs, tests, studies of honesty."""
