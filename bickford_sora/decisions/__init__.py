"""What may happen. Pure: facts and a moment in, facts out; nothing here does I/O, reads a clock or makes an id."""
