select video_id
from projection_spend.movements
where tenant = %(tenant)s and kind = 'reserved' and video_id is not null and %(tag)s = any(tags)
order by position desc
limit %(limit)s
