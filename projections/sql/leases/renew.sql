update work.agenda set due_at = %(lease_until)s
where stream = %(stream)s and step = %(step)s and lease_owner = %(owner)s and attempt = %(attempt)s
