"""The server side of engines: profiles, the command line of a vLLM server, and its supervision."""
