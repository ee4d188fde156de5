alter table api_keys add constraint api_keys_pkey primary key (stream);
create index api_keys_listed on api_keys (tenant, issued_position);
