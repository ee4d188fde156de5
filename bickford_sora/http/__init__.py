"""The HTTP surface: the Videos API, renderers' webhooks, health."""
