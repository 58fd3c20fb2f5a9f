"""The queue database: SQLite behind one writer thread with group commit.

`store` is the face; `schema` the tables; `opening` the start, with `salvage` and `raw_pages` for a damaged
database; `writer` the thread; `changes` and `queries` what is done and asked; `rows` the mapping.
"""

from dialpost.edge.mail.store.store import Store

__all__ = ["Store"]
