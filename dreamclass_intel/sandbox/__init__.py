"""The sandbox: a deterministic simulated company with a clock, and the vendors' stand-in servers.

What lives here: the truth (``model``, ``regimes``, ``world`` ...) and, in ``servers/``, the wire formats.
What does not: anything the pipeline proper imports. Nothing above the sandbox may import it.
"""
