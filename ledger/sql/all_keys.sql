select name, wrapped, created_at, destroyed_at from ledger.keys where %(names)s::text[] is null or name = any(%(names)s) order by name
