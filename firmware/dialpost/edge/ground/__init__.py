"""Shared by edges: durable files, folders of other users, long socket paths. The only edges that edges import."""
