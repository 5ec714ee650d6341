"""Engines: the client that asks them, the chat template learnt from them, the server that runs them."""
