-- What joins: events with the same value, unless it is a hub or the beginning of two conversations; and an
-- effect and its cause, where evidence was found sure enough.
SELECT strong_keys.kind AS kind, strong_keys.value AS value, strong_keys.event AS event
FROM strong_keys
JOIN groups ON strong_keys.kind = groups.kind AND strong_keys.value = groups.value
JOIN strong ON strong_keys.kind = strong.kind
WHERE groups.answers < 2 AND groups.reach <= strong.hub_limit
UNION ALL
SELECT 'evidence' AS kind, links.effect AS value, links.effect AS event
FROM links WHERE links.rule = 'weighed'
UNION ALL
SELECT 'evidence' AS kind, links.effect AS value, links.cause AS event
FROM links WHERE links.rule = 'weighed'
