"""The control API, declared: every method that the daemon answers on its socket, and every face's acts.

`declared` is what a declaration is made of. One module for each subject declares its methods beside the shapes of
their answers: `accounts`, `calls`, `config`, `modem`, `panel`, `queue`, `station`. `table` has them all,
`faces` says which act of the command line and the console is which method, `page` renders docs/control-api.md.
Requests are parsed and checked by `requests` alone; `shapes` turns answers into JSON and back; `serving` binds a
handler to its declaration.
"""
