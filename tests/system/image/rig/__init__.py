"""The image in an emulator: the card, the machine, its console, its button and lamps."""
