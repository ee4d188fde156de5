"""The composition root: builds everything once, from settings, and takes it down again."""
