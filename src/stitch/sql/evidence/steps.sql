-- The steps of each deed that no id ties to a task: where it is of several requests or runs of tools, each with what was
-- recorded behind it, and not more than 24; else it is one step.
WITH ordered AS (
    SELECT
        deeds.deed AS deed,
        deeds.event AS event,
        records.time AS time,
        SUM(CASE WHEN records.is_request = 1 OR records.kind = 'tool_call' THEN 1 ELSE 0 END) OVER (
            PARTITION BY deeds.deed
            ORDER BY records.is_timeless, records.time, records.place,
                     records.dump, records.ordinal, records.part, records.event
        ) AS step
    FROM deeds
    JOIN records ON deeds.event = records.event
    WHERE deeds.settled = 0
),
counted AS (
    SELECT ordered.deed AS deed, MIN(ordered.step) AS first, MAX(ordered.step) AS last, MIN(ordered.time) AS time
    FROM ordered
    GROUP BY ordered.deed
),
begun AS (
    SELECT ordered.deed AS deed, ordered.step AS step, MIN(ordered.time) AS time
    FROM ordered
    GROUP BY ordered.deed, ordered.step
)
SELECT
    ordered.deed AS deed,
    ordered.event AS event,
    CASE WHEN counted.first = 1 AND counted.last > 1 THEN ordered.step ELSE 0 END AS step,
    CASE WHEN counted.first = 1 AND counted.last > 1 THEN begun.time ELSE counted.time END AS time
FROM ordered
JOIN counted ON ordered.deed = counted.deed
JOIN begun ON ordered.deed = begun.deed AND ordered.step = begun.step
WHERE counted.first <> 1 OR counted.last = 1 OR ordered.step <= 24
