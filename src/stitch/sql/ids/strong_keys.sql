-- The ids of each event that may join it to others. Short ids ("call_1") are counters, not identifiers:
-- `strong` says which kinds join, and from how many bytes on.
SELECT keys.kind AS kind, keys.value AS value, events.event_id AS event
FROM keys
JOIN strong ON keys.kind = strong.kind
JOIN events ON keys.batch = events.batch AND keys.row = events.row
WHERE OCTET_LENGTH(keys.value) >= strong.least_bytes
