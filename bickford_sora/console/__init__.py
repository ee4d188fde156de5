"""The console: pages for people, made of what the HTTP routes are made of (docs/adr/0034-console.md)."""
