-- Search in what was said; the newest first. See fsctl_says (0022).

-- name: plan_anew
-- Which way is quick hangs on the words: a plan for any of them is good for none.
select set_config('plan_cache_mode', 'force_custom_plan', true);

-- name: transcripts
-- What is often said is soon found by reading the newest one by one; what is not among so many of them is seldom said,
-- or was said long ago: all of it is taken from the index, and put in order.
with begin as (
    select coalesce(%(before)s::bigint, max(id) + 1) as id, coalesce(%(before)s::bigint, max(id) + 1) - %(near)s as near
    from segment
), near as materialized (
    select s.id from segment s
    where s.id < (select id from begin) and s.id >= (select near from begin)
      and s.superseded_by is null and s.suppressed_by is null
      and (%(language)s::text is null or s.language = %(language)s) and fsctl_says(s.language, s.lexemes, %(q)s)
    order by s.id desc limit %(limit)s
), far as materialized (
    select s.id from segment s
    -- Not "s.id", here and below: then it would be tempted to read the rest one by one, too.
    where (select count(*) from near) < %(limit)s and s.id + 0 < (select near from begin)
      and s.superseded_by is null and s.suppressed_by is null
      and (%(language)s::text is null or s.language = %(language)s) and fsctl_says(s.language, s.lexemes, %(q)s)
    order by s.id + 0 desc limit %(limit)s
), found as materialized (
    select id from (select id from near union all select id from far) f order by id desc limit %(limit)s
)
select v.segment_id, v.call_uuid, v.thread_id, v.leg, v.at, v.start_ms, v.end_ms, v.language, v.text,
       ts_headline(fsctl_dictionary(v.language), fsctl_folded(v.text), asked.query,
                   E'HighlightAll=true, StartSel=\x02, StopSel=\x03') as highlight,
       ts_rank(s.lexemes, asked.query) as rank
from found f
join segment s on s.id = f.id
join crm_v1.transcript_segment v on v.segment_id = f.id
cross join lateral (
    select websearch_to_tsquery(fsctl_dictionary(s.language), fsctl_folded(%(q)s)) as query) asked
order by f.id desc;
