"""Mail that the station fetches from a provider itself."""
