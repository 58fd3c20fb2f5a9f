"""The machine around the mail: apply, boot, update, doctor."""
