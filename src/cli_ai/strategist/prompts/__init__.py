"""What a model is told, as text files that are reviewed like code."""
