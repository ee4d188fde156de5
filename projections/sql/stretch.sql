-- What the database makes rows from: the events of a stretch, each payload parsed once, those of closed segments as they
-- were brought along; but progress: it is what there is most of, and rows need none of it. `offset 0` keeps the parsing
-- from being repeated for each field that is taken out.
with told as (
    select e.position, stream, version, type, event_id, recorded_at, occurred_at, tenant, actor, correlation, causation,
           trace, case when type <> 'render.progress'
                       then convert_from(coalesce(b.payload, e.payload), 'UTF8')::jsonb -> 'f' end as fact
    from ledger.events e
    left join unnest(%(moved)s::bigint[], %(payloads)b::bytea[]) b (position, payload) on b.position = e.position
    where e.position > %(after)s and e.position <= %(until)s
      and (%(categories)s::text[] is null or split_part(stream, ':', 1) = any(%(categories)s))
      and (%(only)s::text is null or stream = %(only)s)
      and stream <> all(%(left_out)s::text[])
    offset 0
)
