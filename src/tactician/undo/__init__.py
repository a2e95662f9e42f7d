"""The way back: journal, restore, guardian and recovery.

Standard library only, and nothing else of the project is imported from here: these files must work
while everything above them is broken. They know no knobs, only texts to write to places.
"""
