-- For one transaction: what was read is written elsewhere for as long as that takes.
select set_config('idle_in_transaction_session_timeout', '0', true)
