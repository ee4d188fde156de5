"""The client for Python: helper functions, and the two classes they use.

`asynchronous.py` and `aio.py` are written by hand; `synchronous.py` and `functions.py` are generated from them.
"""
