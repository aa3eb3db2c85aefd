-- Who calls for the first time is known at once: the dialplan's second is running. Before the code that needs it.
-- Forward only.

-- A contact for somebody whose names are all new, the first of them the anchor of the others, and its thread. Nobody:
-- one of them stands already, and who is who is for store/contacts.py. A function, since who has the lock of the
-- identities would keep it for as many journeys as there are statements.
create function fsctl_welcome(
    of_portfolio text, kinds text[], names text[], spellings text[], at timestamptz, calls_itself text, number text,
    out contact_id bigint, out thread_id bigint
) language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('fsctl identity', 0));
    if exists (select from unnest(kinds, names) n(kind, value)
               join alias a on a.portfolio = of_portfolio and a.kind = n.kind and a.value = n.value) then
        return;
    end if;
    insert into contact (display_name) values (calls_itself) returning id into contact_id;
    insert into alias (portfolio, kind, value, contact_id, seen_at, said)
    select of_portfolio, n.kind, n.value, fsctl_welcome.contact_id, at, nullif(n.said, n.value)
    from unnest(kinds, names, spellings) n(kind, value, said);
    insert into alias_word (portfolio, kind, value, anchor_kind, anchor_value, first_at, last_at)
    select of_portfolio, n.kind, n.value, kinds[1], names[1], at, at from unnest(kinds[2:], names[2:]) n(kind, value)
    on conflict (portfolio, kind, value, anchor_kind, anchor_value) do update set
        first_at = least(alias_word.first_at, excluded.first_at),
        last_at = greatest(alias_word.last_at, excluded.last_at);
    insert into thread (contact_id, business_number) values (fsctl_welcome.contact_id, number)
    returning id into thread_id;
end $$;
