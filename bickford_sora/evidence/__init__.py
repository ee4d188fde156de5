"""The evidence pack: what was decided about renders, by which rules and at what price, with what proves it."""
