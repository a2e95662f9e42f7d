"""Tools that make a system faster."""
