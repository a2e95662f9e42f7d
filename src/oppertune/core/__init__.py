"""What is tuned, under which limits, and what was asked: the words that algorithms share."""
