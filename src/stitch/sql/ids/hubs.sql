-- Values that reach too much to join anything.
SELECT groups.kind AS kind, groups.value AS value, groups.reach AS reach, groups.events AS events
FROM groups
JOIN strong ON groups.kind = strong.kind
WHERE groups.answers < 2 AND groups.reach > strong.hub_limit
