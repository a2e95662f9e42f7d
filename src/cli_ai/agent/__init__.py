"""The whole story from a sentence to a proven result, for terminals and for programs of your own."""
