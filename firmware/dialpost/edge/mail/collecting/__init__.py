"""Sessions with mailboxes at providers: their connections."""
