"""The AT dialogue with a modem, without I/O (ITU-T V.250): what its words mean, and where its answer ends.

results   one line of a modem: a final result, or something on the way there
dialogue  bytes in, lines and results out; echo, numeric results, garbage
login     the expect-and-send script some providers want before PPP
"""
