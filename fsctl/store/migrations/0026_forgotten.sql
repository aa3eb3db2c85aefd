-- How far events were forgotten: who reads on from before that must be told that some are missing. Before the code that
-- needs it. Forward only.

create table forgotten (
    kind text primary key check (kind = 'event'),
    seq  bigint not null
);
comment on table forgotten is 'The highest number that was forgotten, of what is kept for a time only.';
