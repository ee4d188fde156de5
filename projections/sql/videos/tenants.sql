-- One step of the index for each tenant, however many renders they have.
with recursive found (tenant) as (
    (select tenant from projection_videos.videos order by tenant limit 1)
    union all
    select (select v.tenant from projection_videos.videos v where v.tenant > found.tenant order by v.tenant limit 1)
    from found
    where found.tenant is not null)
select tenant from found where tenant is not null order by tenant
