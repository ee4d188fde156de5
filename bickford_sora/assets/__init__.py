"""Finished videos, pictures and references: stored once under the hash of their content, checked before trusted.

Kept free of imports: the child process that decodes untrusted media imports this package on every check.
"""
