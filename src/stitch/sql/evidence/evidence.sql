-- The values of each event that may agree with those of another, in one form for all notations of them
-- (`notations` gives it: INV-4711 and 0000004711 are 4711).
SELECT DISTINCT events.event_id AS event, notations.evidence AS value
FROM keys
JOIN notations ON keys.value = notations.value
JOIN events ON keys.batch = events.batch AND keys.row = events.row
WHERE keys.kind IN (
    'value', 'invoice', 'order', 'customer', 'case', 'account', 'document', 'object', 'user'
)
