"""A candidate configuration, changed key by key before it is put in force."""
