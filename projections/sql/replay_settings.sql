-- For one transaction: streams are read by their index, whose order is that of the table for most of them; memory to sort
-- where a database's locale does not let the index find a category; a plan made for all rows and not for the first ones;
-- and no end to it while the rows that were read are being written elsewhere.
select set_config('work_mem', %s, true),
       set_config('random_page_cost', '1.1', true),
       set_config('cursor_tuple_fraction', '1', true),
       set_config('idle_in_transaction_session_timeout', '0', true)
