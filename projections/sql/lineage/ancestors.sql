with recursive family as (
    select e.parent_video_id, e.child_video_id, e.operation, e.created_at, 1 as depth
    from projection_lineage.edges e
    where e.tenant = %(tenant)s and e.project = %(project)s and e.child_video_id = %(video_id)s
    union all
    select e.parent_video_id, e.child_video_id, e.operation, e.created_at, f.depth + 1
    from family f
    join projection_lineage.edges e
      on e.tenant = %(tenant)s and e.project = %(project)s and e.child_video_id = f.parent_video_id
    where f.depth < %(depth_max)s
)
select parent_video_id, child_video_id, operation, created_at, depth
from family
order by depth, child_video_id
limit %(edges_max)s
