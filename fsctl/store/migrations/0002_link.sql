-- How each controller's link to each FreeSWITCH is. Before the code that reports it. Forward only.

create table link (
    node       text not null,
    controller text not null,
    state      text not null,
    since      timestamptz not null,
    status     jsonb not null,
    updated_at timestamptz not null default now(),
    primary key (node, controller)
);
comment on table link is 'Written by each controller every few seconds; a row that is not updated is of one that is gone.';
