"""Mail coming in: who may connect and send, and the promise."""
