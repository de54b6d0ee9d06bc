-- The same with the time by which each call was done: where no model's answer of a clock's log says when it ended, the
-- next request of the conversation stands for it.
WITH ended AS (
    SELECT seen.cell AS cell, seen.clock AS clock, COUNT(seen.end_time) AS ends
    FROM seen
    WHERE seen.thinks = 1
    GROUP BY seen.cell, seen.clock
),
until AS (
    SELECT seen.cell AS cell, seen.call AS call, MIN(asked.asked) AS until
    FROM seen
    JOIN seen AS asked ON seen.cell = asked.cell AND seen.task = asked.task AND seen.clock = asked.clock
    WHERE asked.thinks = 1 AND asked.asked > seen.time
    GROUP BY seen.cell, seen.call
)
SELECT
    seen.cell AS cell,
    seen.call AS call,
    seen.task AS task,
    seen.by_model AS by_model,
    seen.thinks AS thinks,
    CASE WHEN ended.ends = 0 AND until.until IS NOT NULL THEN until.until ELSE seen.time END AS time
FROM seen
LEFT JOIN ended ON seen.cell = ended.cell AND seen.clock = ended.clock
LEFT JOIN until ON seen.cell = until.cell AND seen.call = until.call
