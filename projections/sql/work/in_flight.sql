select count(*) from projection_work.items where renderer = %(renderer)s and step in ('reconcile', 'follow')
