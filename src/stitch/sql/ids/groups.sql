-- The values that several events have, with what they reach: traces or conversations, whichever are more.
-- Of answers of a model that share a value it matters how many different times they have.
WITH counted AS (
    SELECT
        strong_keys.kind AS kind,
        strong_keys.value AS value,
        COUNT(*) AS events,
        COUNT(DISTINCT COALESCE(scopes.trace, ''))
            - MAX(CASE WHEN scopes.trace IS NULL THEN 1 ELSE 0 END) AS traces,
        COUNT(DISTINCT COALESCE(scopes.conversation, ''))
            - MAX(CASE WHEN scopes.conversation IS NULL THEN 1 ELSE 0 END) AS conversations
    FROM strong_keys
    LEFT JOIN scopes ON strong_keys.event = scopes.event
    GROUP BY strong_keys.kind, strong_keys.value
),
answered AS (
    SELECT given.value AS value, COUNT(*) AS answers
    FROM (
        SELECT DISTINCT strong_keys.value AS value, times.time AS time
        FROM strong_keys
        JOIN times ON strong_keys.event = times.event
        WHERE strong_keys.kind = 'prefix' AND times.kind = 'inference'
    ) AS given
    GROUP BY given.value
)
SELECT
    counted.kind AS kind,
    counted.value AS value,
    counted.events AS events,
    CASE WHEN counted.traces > counted.conversations THEN counted.traces
         ELSE counted.conversations END AS reach,
    CASE WHEN counted.kind = 'prefix' THEN COALESCE(answered.answers, 0) ELSE 0 END AS answers
FROM counted
LEFT JOIN answered ON counted.value = answered.value
WHERE counted.events > 1
