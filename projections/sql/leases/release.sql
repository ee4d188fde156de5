update work.leases set due_at = %(due_at)s, lease_owner = null, lease_until = null
where stream = %(stream)s and step = %(step)s and lease_owner = %(owner)s and attempt = %(attempt)s
