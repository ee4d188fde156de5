insert into search.texts (position, tenant, requester, subject, words)
values (%(position)s, %(tenant)s, %(requester)s, %(subject)s, to_tsvector('simple', %(text)s))
