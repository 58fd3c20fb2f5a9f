"""How the provider's mail comes in: the sections of the configuration, and what contradicts itself in them."""
