-- Which languages a call is transcribed in. Before the code that needs it. Forward only.

alter table call add column spoken text[] not null default '{}';
comment on column call.spoken is
    'Languages (ISO 639-1) that the queues allow which the call was in, as their policy said then; empty: none says it.';
