"""The queue database: SQLite behind one writer thread with group commit.

`store` is the interface; `schema` has the tables; `opening` opens them, with `salvage` and `raw_pages` for a
damaged database; `writer` is the thread; `changes` and `queries` are the statements; `rows` maps records to rows.
"""

from dialpost.edge.mail.store.store import Store

__all__ = ["Store"]
