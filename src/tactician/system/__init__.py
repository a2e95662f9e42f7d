"""Adapters to the real machine: processes, files of the kernel, benchmarks, locks and facts."""
