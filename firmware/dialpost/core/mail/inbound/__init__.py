"""Mail for this domain that the station fetches itself: by ATRN, or out of a mailbox at a provider."""
