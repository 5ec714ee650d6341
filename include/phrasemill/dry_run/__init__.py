"""The dry run: what some shards take in requests, tokens, hours and money, told before a model is asked for them.

`figures` is the answer, `estimate` reckons it (pure), `looking` gathers from the bucket what that needs, `words` makes
lines of it for terminals and logs.
"""
