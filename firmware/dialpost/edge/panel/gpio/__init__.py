"""The panel's hardware: gpiozero's devices on a pin factory of our own, which speaks libgpiod.

gpiozero and gpiod are imported nowhere else. `factory` registers at gpiozero's entry point under the name
`dialpost-libgpiod`; `panel` takes a board's lines and gives lamps and a contact.
"""
