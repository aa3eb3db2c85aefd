-- How we came to know of a call: seen live, or found afterwards. Before the code that writes it. Forward only.

alter table call add column found text not null default 'live'
    check (found in ('live', 'resync', 'ledger', 'recording'));
comment on column call.found is
    'live: its INVITE was seen; resync: it stood when the controller came; ledger: FreeSWITCH told of it after its end; recording: only its file is left.';
