"""The algorithms, one file each, joined by name only through :mod:`oppertune.algorithms.all`.

There is one layer of inheritance: :class:`~oppertune.algorithms.base.Algorithm`, then the concrete class, and
nothing between. What several algorithms share they hold; they do not inherit it.
"""
