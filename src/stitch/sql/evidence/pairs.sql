-- What may have been caused by what: a deed that no id ties to a task, and a call at most a quarter of an hour from one of
-- its steps that shares a value with that. A value that more than 200 calls pass makes no pairs.
WITH decided AS (
    SELECT DISTINCT sights.cell AS cell, deeds.deed AS deed
    FROM deeds
    JOIN sights ON CAST(deeds.time AS DATE) = sights.day
    WHERE deeds.settled = 0 AND deeds.time >= sights.own_from AND deeds.time <= sights.own_until
),
had AS (
    SELECT DISTINCT decided.cell AS cell, steps.deed AS deed, steps.time AS time, evidence.value AS value
    FROM decided
    JOIN steps ON decided.deed = steps.deed
    JOIN evidence ON steps.event = evidence.event
    WHERE steps.time IS NOT NULL
)
SELECT DISTINCT had.cell AS cell, had.deed AS deed, bounded.call AS call, bounded.task AS task
FROM had
JOIN rarity ON had.cell = rarity.cell AND had.value = rarity.value
JOIN evidence ON had.value = evidence.value
JOIN bounded ON evidence.event = bounded.call AND had.cell = bounded.cell
WHERE rarity.calls <= 200
  AND bounded.time >= had.time - INTERVAL '15 minutes'
  AND bounded.time <= had.time + INTERVAL '15 minutes'
