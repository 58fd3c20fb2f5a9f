"""The control API, declared: every method that the daemon answers on its socket, and every action of every face.

`declared` defines what a declaration consists of. One module for each subject declares its methods and the shapes
of their answers: `accounts`, `calls`, `config`, `modem`, `panel`, `queue`, `station`. `table` has them all, `faces`
maps each action of the command line and the console to its methods, `page` renders docs/control-api.md. Only
`requests` parses and checks requests; `shapes` turns answers into JSON and back; `serving` binds a handler to its
declaration.
"""
