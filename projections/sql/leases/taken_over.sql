update work.taken_over set items = greatest(items, %(items)s), nudges = greatest(nudges, %(nudges)s)
