select position from work.announced where name = %(name)s for update skip locked
