"""An independent check of what was recorded: what is lost, doubled, stuck or unaccounted for.

It keeps its own plain books from the raw facts and shares no rule with what wrote them, so that a mistake there is not
repeated here. It reads the ledger's events, asks for files and is told renderers' jobs; it reads no read model and
writes nothing.
"""
