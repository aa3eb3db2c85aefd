-- Where chats, calls and sales came from.

-- name: report
-- Each chat, call and sale of a period by the one touch that it is counted for; without a touch it is direct. A chat
-- is a thread in which the customer wrote, as of the last time; a sale on a call came from where the call did. So the
-- lines never count one thing twice. A line for each currency besides: the counts of a line add up over them.
with unit as (
    select 'chat' as unit, m.thread_id, max(m.sent_at) as moment, null::text as call_uuid,
           false as answered, null::numeric as value, null::text as currency
    from message m
    where m.direction = 'inbound' and m.sent_at >= %(since)s and m.sent_at < %(until)s
    group by m.thread_id
    union all
    select 'call', thread_id, offered_at, uuid, bridged_at is not null, null, null
    from call where offered_at >= %(since)s and offered_at < %(until)s and refused is null
    union all
    select 'sale', coalesce(o.thread_id, c.thread_id), coalesce(c.offered_at, o.at), o.call_uuid, false, o.value, o.currency
    from outcome_said o left join call c on c.uuid = o.call_uuid
    where o.counts and o.kind = 'sale' and o.at >= %(since)s and o.at < %(until)s
)
select coalesce(t.source, 'direct') as source, coalesce(t.trusted, true) as trusted,
       case when %(by)s <> 'source' then coalesce(t.campaign, '') else '' end as campaign,
       case when %(by)s = 'ad' then coalesce(t.source_id, '') else '' end as source_id,
       case when %(by)s = 'ad' then max(coalesce(t.headline, '')) else '' end as headline,
       count(*) filter (where u.unit = 'chat') as chats,
       count(*) filter (where u.unit = 'call') as calls,
       count(*) filter (where u.answered) as answered,
       count(*) filter (where u.unit = 'sale') as sales,
       u.currency, sum(u.value) as value
from unit u left join lateral (
    select t.* from touch t
    where t.thread_id = u.thread_id and (t.at <= u.moment or t.call_uuid = u.call_uuid)
    order by case %(model)s when 'first' then t.at end, case %(model)s when 'first' then t.key end,
             t.at desc, t.key desc
    limit 1
) t on true
group by 1, 2, 3, 4, u.currency
order by 1, 2 desc, 3, 4, u.currency nulls first;
