-- Counters for those who watch the house: what was counted stays counted, whoever is restarted. Nothing is counted when
-- it happens (calls would wait for each other's row): who asks has what is new since then added. Forward only.

create table tally (
    name   text not null,
    label  text not null default '',
    le     double precision not null default 'Infinity',
    count  bigint not null,
    total  double precision not null default 0,
    primary key (name, label, le)
);
comment on table tally is 'What /metrics counts. It never goes down.';
comment on column tally.label is 'The one label of its series, such as a disposition; empty: it has none.';
comment on column tally.le is 'Upper bound of a histogram''s bucket; counts are of this bucket alone.';
comment on column tally.total is 'Sum of a histogram''s values.';

create table tallied (
    event_seq  bigint not null,
    segment_id bigint not null,
    until      timestamptz not null
);
comment on table tallied is 'One row: how far everything has been counted.';
comment on column tallied.until is 'By the clock, for what has no number of its own.';
-- What was there before is not counted: a counter begins when somebody begins to count.
insert into tallied
select coalesce((select max(seq) from event), 0), coalesce((select max(id) from segment), 0), now();

-- Few are: the counter of what is wrong with recordings must not read the others.
create index recording_faulty on recording (archived_at) where findings @> '[{"severity": "fault"}]';
