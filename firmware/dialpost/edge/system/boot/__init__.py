"""The boot state on the card, and the mark of a release on trial."""
