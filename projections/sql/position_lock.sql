select version, position from projections.positions where name = %s for update
