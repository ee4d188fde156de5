update search.progress set position = %(position)s, version = %(version)s
