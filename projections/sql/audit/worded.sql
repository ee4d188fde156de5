and a.position in (
    select t.position from search.texts t
    where t.tenant = %(tenant)s and t.words @@ websearch_to_tsquery('simple', %(text)s)
      and t.position > %(after)s and t.position < %(before)s)
