-- Positions are dense; versions have to be so in each stream. (stream, version) is unique: counting them shows it.
select stream from ledger.events group by stream having max(version) <> count(*) order by min(position) limit 1
