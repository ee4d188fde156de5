select decision, outcome, first_position, recorded_at from ledger.append($1, $2)
