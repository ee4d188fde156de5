-- What is claimed is a handful among all there is: it is found by index, whatever statistics say (or, just after a rebuild,
-- do not say yet). So the plan is the same for every claim, and is made once: that takes several times what running it does.
select set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)
