"""The command ``tactician ask``: a sentence, a plan with its reasons, a yes, and the run."""
