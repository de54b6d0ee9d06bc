-- The calls that are looked at in each cell of time: those that it sees, and of tasks that change something in it the
-- last ones before.
WITH seen AS (
    SELECT sights.cell AS cell, calls.call AS call
    FROM calls
    JOIN sights ON CAST(calls.time AS DATE) = sights.day
    WHERE calls.time >= sights.seen_from AND calls.time <= sights.seen_until
),
changed AS (
    SELECT DISTINCT sights.cell AS cell, sights.seen_from AS seen_from, deeds.fragment AS task
    FROM deeds
    JOIN sights ON CAST(deeds.time AS DATE) = sights.day
    WHERE deeds.settled = 1 AND deeds.time >= sights.own_from AND deeds.time <= sights.own_until
),
before AS (
    SELECT
        changed.cell AS cell,
        calls.call AS call,
        ROW_NUMBER() OVER (
            PARTITION BY changed.cell, changed.task ORDER BY calls.time DESC, calls.call DESC
        ) AS place
    FROM changed
    JOIN calls ON changed.task = calls.task
    WHERE calls.by_model = 1 AND calls.time < changed.seen_from
),
looked AS (
    SELECT seen.cell AS cell, seen.call AS call FROM seen
    UNION ALL
    SELECT before.cell AS cell, before.call AS call FROM before WHERE before.place <= 64
)
SELECT
    looked.cell AS cell,
    calls.call AS call,
    calls.task AS task,
    calls.by_model AS by_model,
    calls.thinks AS thinks,
    calls.clock AS clock,
    calls.asked AS asked,
    calls.end_time AS end_time,
    calls.time AS time
FROM looked
JOIN calls ON looked.call = calls.call
