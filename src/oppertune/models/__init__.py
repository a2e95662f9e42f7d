"""Surrogates: what was measured turned into what can be expected, shared by searchers and analyses.

They know arrays and parameters, not requests. Numpy is loaded with them, scipy when a model is fitted.
"""
