"""A stand-in for one vLLM server, hosted API or text-generation-inference, with faults and limits on demand.

Real HTTP, its own process, made-up sentences. Start it with `phrasemill fake-engine` or
`python -m phrasemill.engines.fake`; tests start it with `phrasemill.engines.fake.process.FakeEngineProcess`. It
answers like vLLM 0.20 to 0.32 unless told otherwise, never streams, and takes every sampling setting it does not act
on (temperature, top_p, penalties) without a word.
"""
