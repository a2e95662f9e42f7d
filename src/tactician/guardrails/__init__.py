"""What ends a trial early as the host suffers: memory, I/O, an OOM kill, a health check, a closed port."""
