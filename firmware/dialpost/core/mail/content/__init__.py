"""The content of a message on its way in and out."""
