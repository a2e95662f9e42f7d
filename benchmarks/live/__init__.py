"""Real workloads, tuned by several loops side by side."""
