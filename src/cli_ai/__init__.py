"""The doors: words, agent and command line in front of Tactician. Imports nothing by itself."""
