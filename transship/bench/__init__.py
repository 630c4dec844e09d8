"""What a push costs, beside its peers: `make bench`. Workstation only; docs/performance.md explains the figures."""
