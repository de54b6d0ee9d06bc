-- The values that are known in each task, without what it has changed, and seven tenths of how rare they are among
-- tasks: what they say if a call does not pass them. What has no time is known from the beginning of its task on.
WITH telling AS (
    SELECT records.event AS event, records.fragment AS task, COALESCE(records.time, records.begins) AS time
    FROM records
    WHERE records.in_task = 1 AND records.is_change = 0
),
known AS (
    SELECT DISTINCT sights.cell AS cell, evidence.value AS value, telling.task AS task
    FROM telling
    JOIN sights ON CAST(telling.time AS DATE) = sights.day
    JOIN evidence ON telling.event = evidence.event
    WHERE telling.time >= sights.seen_from AND telling.time <= sights.seen_until
),
tasks AS (
    SELECT bounded.cell AS cell, COUNT(DISTINCT bounded.task) AS tasks
    FROM bounded
    WHERE bounded.task IS NOT NULL
    GROUP BY bounded.cell
),
counted AS (
    SELECT known.cell AS cell, known.value AS value, COUNT(*) AS tasks
    FROM known
    GROUP BY known.cell, known.value
),
shares AS (
    SELECT
        known.cell AS cell,
        known.value AS value,
        known.task AS task,
        LOG2(CAST(tasks.tasks AS DOUBLE) / counted.tasks) AS bits
    FROM known
    JOIN counted ON known.cell = counted.cell AND known.value = counted.value
    JOIN tasks ON known.cell = tasks.cell
)
SELECT
    shares.cell AS cell,
    shares.value AS value,
    shares.task AS task,
    CASE WHEN shares.bits > 14 THEN CAST(14 AS DOUBLE)
         WHEN shares.bits < 0 THEN CAST(0 AS DOUBLE)
         ELSE shares.bits END * CAST(0.7 AS DOUBLE) AS bits
FROM shares
