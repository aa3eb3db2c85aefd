-- What is read a page at a time: search in what was said, threads and calls in order. Writes every segment anew, which
-- takes minutes where there are millions. Before the code that needs it. Forward only.

-- --- search in what was said ---------------------------------------------------------------------------------

-- How words of a language are brought to their stem. Immutable: a segment keeps the lexemes that it was stored with.
create function fsctl_dictionary(language text) returns regconfig language sql immutable parallel safe as $$
    select case language
        when 'en' then 'pg_catalog.english'::regconfig
        when 'es' then 'pg_catalog.spanish'::regconfig
        when 'pt' then 'pg_catalog.portuguese'::regconfig
        when 'hi' then 'pg_catalog.hindi'::regconfig
        else 'pg_catalog.simple'::regconfig end
$$;
-- A database of locale C makes no small letter of one with an accent. Character for character, so that places in the
-- text stay; what marks a hit in a highlight never comes from the text.
create function fsctl_folded(said text) returns text language sql immutable parallel safe as $$
    select translate(said, U&'ÀÁÂÃÄÇÈÉÊËÌÍÎÏÑÒÓÔÕÖÙÚÛÜ\0002\0003', 'àáâãäçèéêëìíîïñòóôõöùúûü  ')
$$;
-- Whether a text says what was asked as in a search box. Each language by its own rules: what one's stem leaves out,
-- another's must not let in. Postgres puts the body in the place of the call, and finds its index.
create function fsctl_says(language text, lexemes tsvector, asked text) returns boolean language sql immutable
parallel safe as $$
    select language = 'en' and lexemes @@ websearch_to_tsquery('pg_catalog.english', fsctl_folded(asked))
        or language = 'es' and lexemes @@ websearch_to_tsquery('pg_catalog.spanish', fsctl_folded(asked))
        or language = 'pt' and lexemes @@ websearch_to_tsquery('pg_catalog.portuguese', fsctl_folded(asked))
        or language = 'hi' and lexemes @@ websearch_to_tsquery('pg_catalog.hindi', fsctl_folded(asked))
        or coalesce(language, '') not in ('en', 'es', 'pt', 'hi')
           and lexemes @@ websearch_to_tsquery('pg_catalog.simple', fsctl_folded(asked))
$$;
alter table segment add column lexemes tsvector
    generated always as (to_tsvector(fsctl_dictionary(language), fsctl_folded(text))) stored;
comment on column segment.lexemes is 'What search looks at.';
-- No list of pending entries: emptying it would let one worker wait for the text of many. Storing and numbering a
-- segment takes some 75 µs longer than without search; decoding it takes thousands of times that.
create index segment_lexemes on segment using gin (lexemes) with (fastupdate = off)
    where superseded_by is null and suppressed_by is null;

-- --- order ---------------------------------------------------------------------------------------------------

-- Unique, but partial: a row whose key changes may not be referred to meanwhile, and numbers are no keys. Who numbers
-- contacts must not wait for who stores a call of one, nor that one for him.
alter table contact drop constraint contact_change_seq_key;
alter table segment drop constraint segment_change_seq_key;
create unique index contact_change_seq on contact (change_seq) where change_seq is not null;
create unique index segment_change_seq on segment (change_seq) where change_seq is not null;

comment on table change is 'What changed and is not numbered yet: a kind of item, contact, segment or thread, and its key.';
alter table thread add column change_seq bigint;
comment on column thread.change_seq is 'Of its last change, such as being merged; not of what stands in it. Null: not numbered yet.';
create unique index thread_change_seq on thread (change_seq) where change_seq is not null;
create function fsctl_thread_changed() returns trigger language plpgsql as $$
begin
    insert into change (kind, ref) values ('thread', new.id::text);
    return null;
end $$;
create trigger changed after insert or update of contact_id, business_number, merged_into on thread
    for each row execute function fsctl_thread_changed();
insert into change (kind, ref) select 'thread', id::text from thread;

create index item_call_change_seq on item (change_seq) where kind = 'call';
-- The latest calls, whichever they are. The time never changes: no update of a call touches it.
create index call_offered_at on call (offered_at);
