delete from search.texts where subject = %(subject)s or requester = %(subject)s
