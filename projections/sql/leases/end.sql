-- As if each had run out by itself: whoever claims the item next is told apart by its attempt.
update work.agenda set due_at = %(now)s where lease_owner = %(owner)s and due_at > %(now)s
