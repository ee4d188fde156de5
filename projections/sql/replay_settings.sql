-- For one transaction: memory to sort the ledger by stream, a plan made for all rows and not for the first ones, and no
-- end to it while the rows that were read are being written elsewhere.
select set_config('work_mem', %s, true),
       set_config('cursor_tuple_fraction', '1', true),
       set_config('idle_in_transaction_session_timeout', '0', true)
