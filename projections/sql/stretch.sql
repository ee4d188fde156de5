-- What the database makes rows from: the events of a stretch, each payload parsed once, but
-- progress: it is what there is most of, and rows need none of it. `offset 0` keeps the parsing from
-- being repeated for each field that is taken out.
with told as (
    select position, stream, version, type, event_id, recorded_at, occurred_at, tenant, actor, correlation, causation, trace,
           case when type <> 'render.progress' then convert_from(payload, 'UTF8')::jsonb -> 'f' end as fact
    from ledger.events
    where position > %(after)s and position <= %(until)s
      and (%(categories)s::text[] is null or split_part(stream, ':', 1) = any(%(categories)s))
      and (%(only)s::text is null or stream = %(only)s)
      and stream <> all(%(left_out)s::text[])
    offset 0
)
