-- One round of the closure: each event takes the least label of all that it is joined with. Repeated until no
-- label changes; then the label of a task is its least event id.
WITH least AS (
    SELECT joins.kind AS kind, joins.value AS value, MIN(labels.label) AS label
    FROM joins
    JOIN labels ON joins.event = labels.event
    GROUP BY joins.kind, joins.value
),
offered AS (
    SELECT joins.event AS event, MIN(least.label) AS label
    FROM joins
    JOIN least ON joins.kind = least.kind AND joins.value = least.value
    GROUP BY joins.event
)
SELECT
    labels.event AS event,
    CASE WHEN offered.label < labels.label THEN offered.label ELSE labels.label END AS label
FROM labels
LEFT JOIN offered ON labels.event = offered.event
