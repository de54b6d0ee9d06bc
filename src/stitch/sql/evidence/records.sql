-- What weighing takes from each event: its fragment by ids and whether a model has a part in that, when the fragment
-- begins, the clock that its times are of, whether it is a request over HTTP or a change that a system tells of, and
-- where it lies among those of its time: by its place in a causal chain (what a model was given with its request is
-- just before the answer that the same record tells of), by dumps (`dumps` numbers them), and in its dump.
WITH fragments AS (
    SELECT
        labels.label AS fragment,
        MIN(times.time) AS begins,
        MAX(CASE WHEN times.kind IN ('inference', 'instruction', 'request') THEN 1 ELSE 0 END) AS in_task
    FROM labels
    JOIN times ON labels.event = times.event
    GROUP BY labels.label
),
clocks AS (
    SELECT keys.batch AS batch, keys.row AS row, MAX(keys.value) AS clock
    FROM keys
    WHERE keys.kind = 'clock'
    GROUP BY keys.batch, keys.row
),
answers AS (
    SELECT
        events.batch AS batch, events.file AS file, events.ordinal AS ordinal, events.time AS time,
        MAX(events.part) AS part
    FROM events
    WHERE events.kind = 'inference'
    GROUP BY events.batch, events.file, events.ordinal, events.time
),
told AS (
    SELECT
        events.event_id AS event,
        CASE WHEN events.kind IN ('tool_result', 'approval', 'rejection') AND events.part < answers.part THEN 5
             WHEN events.kind = 'configuration' THEN 0
             WHEN events.kind = 'login' THEN 1
             WHEN events.kind = 'request' THEN 2
             WHEN events.kind = 'instruction' THEN 3
             WHEN events.kind = 'retrieval' THEN 4
             WHEN events.kind = 'inference' THEN 5
             WHEN events.kind = 'policy_decision' THEN 6
             WHEN events.kind = 'tool_call' THEN 7
             WHEN events.kind IN ('approval', 'rejection') THEN 8
             WHEN events.kind = 'read' THEN 9
             WHEN events.kind IN ('write', 'message') THEN 10
             WHEN events.kind = 'tool_result' THEN 12
             ELSE 11 END AS place,
        events.end_time AS end_time,
        dumps.dump AS dump,
        events.ordinal AS ordinal,
        events.part AS part,
        CASE WHEN clocks.clock IS NULL THEN events.format
             ELSE CONCAT(events.format, ' ', clocks.clock) END AS clock,
        CASE WHEN events.action LIKE 'GET %' OR events.action LIKE 'HEAD %' OR events.action LIKE 'POST %'
               OR events.action LIKE 'PUT %' OR events.action LIKE 'PATCH %' OR events.action LIKE 'DELETE %'
               OR events.action LIKE 'MERGE %' THEN 1 ELSE 0 END AS is_request
    FROM events
    JOIN dumps ON events.batch = dumps.batch AND events.file = dumps.file
    LEFT JOIN clocks ON events.batch = clocks.batch AND events.row = clocks.row
    LEFT JOIN answers ON events.batch = answers.batch AND events.file = answers.file
        AND events.ordinal = answers.ordinal AND events.time = answers.time
)
SELECT
    told.event AS event,
    times.kind AS kind,
    times.time AS time,
    CASE WHEN times.time IS NULL THEN 1 ELSE 0 END AS is_timeless,
    told.place AS place,
    told.dump AS dump,
    told.ordinal AS ordinal,
    told.part AS part,
    told.end_time AS end_time,
    told.clock AS clock,
    told.is_request AS is_request,
    CASE WHEN times.kind = 'write' AND told.is_request = 0 THEN 1 ELSE 0 END AS is_change,
    labels.label AS fragment,
    fragments.in_task AS in_task,
    fragments.begins AS begins
FROM told
JOIN times ON told.event = times.event
JOIN labels ON told.event = labels.event
JOIN fragments ON labels.label = fragments.fragment
