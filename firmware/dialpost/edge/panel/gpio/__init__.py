"""The panel's hardware: gpiozero's devices on our own pin factory, which speaks libgpiod.

gpiozero and gpiod are imported nowhere else. `factory` registers at gpiozero's entry point under the name
`dialpost-libgpiod`; `panel` takes a board's lines and gives lamps and a contact.
"""
