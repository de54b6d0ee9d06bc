-- Everything done in other systems: a fragment without a model's part as one, and the changes inside of tasks, those of
-- one transaction as one.
WITH saved AS (
    SELECT events.event_id AS event, MAX(keys.value) AS saved
    FROM keys
    JOIN events ON keys.batch = events.batch AND keys.row = events.row
    WHERE keys.kind = 'transaction'
    GROUP BY events.event_id
),
parts AS (
    SELECT
        records.event AS event,
        records.time AS time,
        records.fragment AS fragment,
        records.in_task AS settled,
        CASE WHEN records.in_task = 0 THEN ''
             WHEN saved.saved IS NULL THEN CONCAT('event ', records.event)
             ELSE CONCAT('saved ', saved.saved) END AS part
    FROM records
    LEFT JOIN saved ON records.event = saved.event
    WHERE records.in_task = 0 OR records.is_change = 1
),
wholes AS (
    SELECT parts.fragment AS fragment, parts.part AS part, MIN(parts.event) AS deed, MIN(parts.time) AS time
    FROM parts
    GROUP BY parts.fragment, parts.part
)
SELECT
    wholes.deed AS deed,
    parts.event AS event,
    wholes.time AS time,
    parts.fragment AS fragment,
    parts.settled AS settled
FROM parts
JOIN wholes ON parts.fragment = wholes.fragment AND parts.part = wholes.part
WHERE wholes.time IS NOT NULL
