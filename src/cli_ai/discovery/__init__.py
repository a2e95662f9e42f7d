"""What this host is: read-only discovery, under two seconds."""
