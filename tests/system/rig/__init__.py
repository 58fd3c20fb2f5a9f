"""What the system tests and the benchmarks are made with: real servers, the real station, clients."""
