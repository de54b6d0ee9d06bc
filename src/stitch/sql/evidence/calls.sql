-- What may be a cause: a tool call, an answer of a model that asked for tools (its tools run when it has answered), a
-- request on its way. One that is in no task yet has none of a model's part.
SELECT
    records.event AS call,
    CASE WHEN records.in_task = 1 THEN records.fragment ELSE NULL END AS task,
    CASE WHEN records.kind = 'tool_call' THEN 1 ELSE 0 END AS by_model,
    CASE WHEN records.kind = 'inference' THEN 1 ELSE 0 END AS thinks,
    records.clock AS clock,
    records.time AS asked,
    records.end_time AS end_time,
    CASE WHEN records.kind = 'inference' THEN COALESCE(records.end_time, records.time)
         ELSE records.time END AS time
FROM records
WHERE records.time IS NOT NULL
  AND (records.kind = 'tool_call'
       OR (records.kind = 'inference' AND records.in_task = 1)
       OR (records.kind <> 'tool_call' AND records.kind <> 'inference' AND records.is_request = 1))
