"""One outside thing per file: disk, sockets, DNS, TLS. Edges decide nothing and import no edge but `ground`."""
