-- The trace and the conversation of each event that has one: what a value reaches is counted in them.
SELECT
    events.event_id AS event,
    MAX(CASE WHEN keys.kind = 'trace' THEN keys.value ELSE NULL END) AS trace,
    MAX(CASE WHEN keys.kind = 'conversation' THEN keys.value ELSE NULL END) AS conversation
FROM keys
JOIN events ON keys.batch = events.batch AND keys.row = events.row
WHERE keys.kind IN ('trace', 'conversation')
GROUP BY events.event_id
