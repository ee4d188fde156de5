"""Policy as data: a file of rules, and what it says about one render. Pure, as all decisions are.

`reading.read_policy` makes a policy of a file's bytes, `evaluation.evaluate` asks it about what was `Seen`.
"""
