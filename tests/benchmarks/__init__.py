"""Benchmarks: `make bench`. Figures are CPU seconds and ratios of one run, so that a shared machine can take them."""
