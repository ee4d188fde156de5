"""Renderers: the port every dialect fulfils, its errors, and the dialects themselves."""
