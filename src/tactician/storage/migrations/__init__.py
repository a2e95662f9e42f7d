"""Every change that the history's tables ever went through, oldest first, as alembic scripts.

The list only grows: a script that was released is never edited, because files that went through it
exist. A new one is named ``v0002_what_it_does.py``, has ``revision = "0002"`` and
``down_revision = "0001"``, and :data:`tactician.storage.schema.REVISION` follows it; a test compares
what the scripts build with :mod:`tactician.storage.schema`. There is no ``env.py`` and no
``alembic.ini``: :mod:`tactician.storage.database` runs the scripts on its own connection.
"""
