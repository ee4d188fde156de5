"""Named limits of the client."""

RETRIES_MAX = 2
"""How often a call is repeated, as the SDKs do."""
ANSWER_TIMEOUT_S = 60.0
"""Longest silence of the server, in seconds."""
POLL_INTERVAL_S = 1.0
"""Pause between polls where neither caller nor server says, in seconds."""
POLL_TIMEOUT_S = 8 * 3600.0
"""For how long a render is followed unless told otherwise, in seconds: longer than the server lets one take."""
JSON_BYTES_MAX = 64 * 1024 * 1024
"""Largest answer that is read as JSON, in bytes: a page of 100 videos with prompts of 32,000 characters fits."""
ERROR_BYTES_MAX = 1024 * 1024
"""How much of an answer that is an error is read, in bytes."""
DOWNLOAD_BYTES_MAX = 4 * 1024 * 1024 * 1024
"""Largest file that is downloaded, in bytes."""
REFERENCE_BYTES_MAX = 64 * 1024 * 1024
"""Largest reference image that is read into memory, in bytes; servers usually take less."""
BACKOFF_FIRST_S = 0.5
"""Pause before the first retry, in seconds; it doubles with each one that follows."""
RETRY_AFTER_HONOURED_S_MAX = 120.0
"""A server that asks for a longer pause is not asked again: the caller learns of it instead."""
MESSAGE_CHARS_MAX = 2_000
"""How much of a server's message is kept."""
