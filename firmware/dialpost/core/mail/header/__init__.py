"""The header of a message: read, repaired, encoded, added to."""
