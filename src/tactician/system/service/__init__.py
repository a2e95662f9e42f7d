"""Knobs that belong to services: told through their own doors, put back byte for byte.

A service is one place, and its text is the settings that are tuned. So a plan holds one change for all of
them, and a trial costs one reload or one restart, whatever it changes.
"""
