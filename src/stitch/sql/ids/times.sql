-- The time that each event is ordered by: its own, else the earliest of its change document. Positions of
-- change documents have none, and headers and positions may come in any order.
WITH saved AS (
    SELECT keys.value AS value, MIN(events.time) AS time
    FROM keys
    JOIN events ON keys.batch = events.batch AND keys.row = events.row
    WHERE keys.kind = 'transaction'
    GROUP BY keys.value
),
borrowed AS (
    SELECT keys.batch AS batch, keys.row AS row, MIN(saved.time) AS time
    FROM keys
    JOIN saved ON keys.value = saved.value
    WHERE keys.kind = 'transaction'
    GROUP BY keys.batch, keys.row
)
SELECT
    events.event_id AS event,
    events.kind AS kind,
    COALESCE(events.time, borrowed.time) AS time
FROM events
LEFT JOIN borrowed ON events.batch = borrowed.batch AND events.row = borrowed.row
