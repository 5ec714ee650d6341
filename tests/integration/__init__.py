"""Real processes, a real S3 server and a fake engine: what is killed, starved or lied to, and what is left of it."""
