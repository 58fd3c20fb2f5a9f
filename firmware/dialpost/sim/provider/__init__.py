"""The simulated provider: its queue and answers, its server, and its client on a connection that ATRN turned."""
