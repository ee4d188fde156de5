"""What a browser may do with a page of ours: show it, run our own scripts, and ask this server."""

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Content-Security-Policy of every page."""
PAGE_HEADERS = {
    "content-security-policy": PAGE_POLICY,
    "referrer-policy": "same-origin",  # a form says where it is from; nobody else learns an address
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "private, no-store",
}
