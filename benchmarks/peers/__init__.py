"""Plays other optimisers and ours on the same instances, each in an environment of its own."""
