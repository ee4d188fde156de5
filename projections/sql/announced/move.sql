update work.announced set position = %(position)s where name = %(name)s
