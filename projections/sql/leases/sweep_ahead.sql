-- Made due when some clock was far ahead: nothing of these waits for so long. Taken too early, it does no harm.
update work.agenda set due_at = %(now)s
where step in ('submit', 'reconcile', 'follow', 'store', 'erase', 'purge') and due_at > %(latest)s
