select count(*) from projection_endpoints.endpoints where tenant = %(tenant)s and project = %(project)s
