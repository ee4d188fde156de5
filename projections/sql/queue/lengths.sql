select tenant, project, count(*)
from (select tenant, project from projection_work.items where step = 'submit' limit %(limit)s) waiting
group by tenant, project
