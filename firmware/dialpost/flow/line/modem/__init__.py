"""A modem on an open port: found, set up, dialled, hung up."""
