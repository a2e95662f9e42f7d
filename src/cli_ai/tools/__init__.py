"""Tools that an agent can call, one sub-package per trade."""
