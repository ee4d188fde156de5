-- What is claimed is a handful among all there is: it is found by index, whatever statistics say (or, just after a rebuild,
-- do not say yet).
select set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true)
