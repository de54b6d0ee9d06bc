-- What the values of a pair say together. Values of one record depend on each other: the rarest counts fully, the next
-- ones less.
WITH ordered AS (
    SELECT
        agreements.cell AS cell,
        agreements.deed AS deed,
        agreements.call AS call,
        agreements.bits AS bits,
        ROW_NUMBER() OVER (
            PARTITION BY agreements.cell, agreements.deed, agreements.call ORDER BY agreements.bits DESC
        ) AS place
    FROM agreements
)
SELECT
    ordered.cell AS cell,
    ordered.deed AS deed,
    ordered.call AS call,
    SUM(ordered.bits * CAST(CASE WHEN ordered.place = 1 THEN 1.0 WHEN ordered.place = 2 THEN 0.6
                                 WHEN ordered.place = 3 THEN 0.4 WHEN ordered.place = 4 THEN 0.3
                                 WHEN ordered.place = 5 THEN 0.25 ELSE 0.2 END AS DOUBLE)) AS bits
FROM ordered
GROUP BY ordered.cell, ordered.deed, ordered.call
