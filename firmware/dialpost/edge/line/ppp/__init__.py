"""pppd and what runs as root around it: `pppd` is the daemon's side, `session` the root's."""
