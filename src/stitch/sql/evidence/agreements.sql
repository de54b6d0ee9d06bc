-- The values of a deed that speak for a call of its pair, in bits: those that the call passes, and those that are known
-- in its task besides.
WITH of_deeds AS (
    SELECT DISTINCT deeds.deed AS deed, evidence.value AS value
    FROM deeds
    JOIN evidence ON deeds.event = evidence.event
),
of_pairs AS (
    SELECT pairs.cell AS cell, pairs.deed AS deed, pairs.call AS call, pairs.task AS task, of_deeds.value AS value
    FROM pairs
    JOIN of_deeds ON pairs.deed = of_deeds.deed
),
passed AS (
    SELECT of_pairs.cell AS cell, of_pairs.deed AS deed, of_pairs.call AS call, of_pairs.value AS value
    FROM of_pairs
    JOIN evidence ON of_pairs.call = evidence.event AND of_pairs.value = evidence.value
)
SELECT
    passed.cell AS cell,
    passed.deed AS deed,
    passed.call AS call,
    passed.value AS value,
    1 AS is_passed,
    rarity.bits AS bits
FROM passed
JOIN rarity ON passed.cell = rarity.cell AND passed.value = rarity.value
UNION ALL
SELECT
    of_pairs.cell AS cell,
    of_pairs.deed AS deed,
    of_pairs.call AS call,
    of_pairs.value AS value,
    0 AS is_passed,
    known.bits AS bits
FROM of_pairs
JOIN known ON of_pairs.cell = known.cell AND of_pairs.task = known.task AND of_pairs.value = known.value
LEFT JOIN passed ON of_pairs.cell = passed.cell AND of_pairs.deed = passed.deed
    AND of_pairs.call = passed.call AND of_pairs.value = passed.value
WHERE passed.value IS NULL
