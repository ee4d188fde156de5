-- What was begun more than a minute ago counts no more.
delete from work.begun where at <= %(now)s - interval '1 minute'
