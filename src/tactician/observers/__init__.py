"""Who is told about a run: the person at the terminal, and programs that read lines of JSON."""
