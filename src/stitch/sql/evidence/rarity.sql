-- How rare a value is among the calls of a cell, in bits: that is what it says that a call passes it
-- (Fellegi and Sunter's term frequencies).
WITH counted AS (
    SELECT bounded.cell AS cell, COUNT(*) AS calls
    FROM bounded
    GROUP BY bounded.cell
),
passed AS (
    SELECT bounded.cell AS cell, evidence.value AS value, COUNT(*) AS calls
    FROM bounded
    JOIN evidence ON bounded.call = evidence.event
    GROUP BY bounded.cell, evidence.value
),
shares AS (
    SELECT
        passed.cell AS cell,
        passed.value AS value,
        passed.calls AS calls,
        LOG2(CAST(counted.calls AS DOUBLE) / passed.calls) AS bits
    FROM passed
    JOIN counted ON passed.cell = counted.cell
)
SELECT
    shares.cell AS cell,
    shares.value AS value,
    shares.calls AS calls,
    CASE WHEN shares.bits > 14 THEN CAST(14 AS DOUBLE) ELSE shares.bits END AS bits
FROM shares
