"""Portkey, Vertex AI, LangSmith traces, HAProxy, Envoy's default text, IIS, Dataverse, ServiceNow approvals, Oracle unified auditing."""

from systems.common import *
from systems.suites import sysapproval, sys_audit

NAMES = {
    "openai_chat.jsonl": "portkey.jsonl",
    "anthropic_messages.jsonl": "vertex.jsonl",
    "otel_genai.jsonl": "langsmith.jsonl",
    "kong.jsonl": "haproxy.log",
    "envoy.jsonl": "envoy.log",
    "sf_elf_restapi.csv": "iis.log",
    "sf_CaseHistory.csv": "dataverse_incident.jsonl",
    "sf_ContactHistory.csv": "dataverse_contact.jsonl",
    "sf_ServiceRequestHistory.csv": "dataverse_request.jsonl",
    "approvals.csv": "sysapproval.jsonl",
    "sap_cdhdr.csv": "oracle.csv",
    "sap_cdpos.csv": "oracle_lines.csv",
}
#: What stands before the records.
HEAD = {
    "iis.log": "#Software: Microsoft Internet Information Services 10.0\n#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query "
    "s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status sc-bytes cs-bytes time-taken\n"
}


def portkey(r):
    asked = dict(r["request"])
    meta = asked.pop("metadata", {})
    made = {
        "id": "pk-" + r["request_id"],
        "created_at": zulu(iso(r["created_at"])),
        "trace_id": meta.get("trace_id"),
        "ai_org": "openai",
        "ai_model": asked["model"],
        "response_time": r.get("latency_ms", 0),
        "response_status_code": 200,
        "request": asked,
        "response": r["response"],
        "metadata": {"_user": asked.get("user"), "session_id": meta.get("conversation_id")},
    }
    return {k: v for k, v in made.items() if v is not None}


def vertex(r):
    asked = dict(r["request"])
    model = asked.pop("model")
    trace = r["headers"].get("traceparent")
    made = {
        # It is logged when it has been answered.
        "logging_time": zulu(iso(r["timestamp"]) + dt.timedelta(milliseconds=r.get("duration_ms", 0))),
        "request_id": r["request_id"],
        "endpoint": "projects/p/locations/europe-west1/publishers/anthropic/models/" + model,
        "model": "publishers/anthropic/models/" + model,
        "api_method": "RawPredict",
        "full_request": {"anthropic_version": "vertex-2023-10-16", **asked},
        "full_response": r["response"],
    }
    if trace:
        made["metadata"] = {"trace_id": trace.split("-")[1]}
    return made


def langsmith(r):
    span = r["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    a = {x["key"]: list(x["value"].values())[0] for x in span["attributes"]}
    kind = {"chat": "llm", "execute_tool": "tool", "invoke_agent": "chain"}[a["gen_ai.operation.name"]]
    time = lambda ns: zulu(dt.datetime.fromtimestamp(int(ns) / 1e9, dt.timezone.utc)).rstrip("Z")

    def read(key):
        try:
            return json.loads(a[key])
        except (KeyError, ValueError):
            return a.get(key)

    def message(one):
        text, calls, made = "", [], {}
        for part in one.get("parts", []):
            if part["type"] == "text":
                text += part["content"]
            elif part["type"] == "tool_call":
                arguments = part.get("arguments")
                arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
                calls.append({"name": part["name"], "args": arguments, "id": part.get("id"), "type": "tool_call"})
            elif part["type"] == "tool_call_response":
                text, made = str(part.get("response", part.get("result", ""))), {"tool_call_id": part.get("id")}
        kinds = {"user": "HumanMessage", "assistant": "AIMessage", "tool": "ToolMessage", "system": "SystemMessage"}
        name = kinds.get(one["role"], "HumanMessage")
        kwargs = {"type": {"HumanMessage": "human", "AIMessage": "ai", "ToolMessage": "tool"}.get(name, "system"), "content": text, **made}
        if calls:
            kwargs["tool_calls"] = calls
        return {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", name], "kwargs": kwargs}

    inputs, outputs = {}, {}
    if kind == "tool":
        inputs, outputs = {"input": read("gen_ai.tool.call.arguments")}, {"output": read("gen_ai.tool.call.result")}
        if isinstance(inputs["input"], dict):
            inputs = inputs["input"]
    elif kind == "llm" and "gen_ai.input.messages" in a:
        asked, said = read("gen_ai.input.messages"), read("gen_ai.output.messages")
        inputs = {"messages": [[message(one) for one in asked]] if isinstance(asked, list) else asked}
        outputs = {"generations": [[{"text": "", "message": message(one)} for one in said]] if isinstance(said, list) else said}
    service = r["resourceSpans"][0]["resource"]["attributes"][0]["value"]["stringValue"]
    return {
        "id": span["spanId"],
        "trace_id": span["traceId"],
        "parent_run_id": span.get("parentSpanId") or None,
        "run_type": kind,
        "name": a.get("gen_ai.tool.name", span["name"]),
        "start_time": time(span["startTimeUnixNano"]),
        "end_time": time(span["endTimeUnixNano"]),
        "inputs": inputs,
        "outputs": outputs,
        "extra": {
            "invocation_params": {"model": a.get("gen_ai.request.model")},
            "metadata": {"thread_id": a.get("gen_ai.conversation.id"), "ls_provider": "openai", "service": service},
        },
    }


def haproxy(r):
    at = dt.datetime.fromtimestamp(r["started_at"] / 1000, dt.timezone.utc)
    took, asked = r["latencies"]["request"], r["request"]
    date = at.strftime("%d/%b/%Y:%H:%M:%S.") + "%03d" % (at.microsecond // 1000)
    header = asked["headers"].get("traceparent")
    captured = "{" + header + "} " if header else ""
    return (
        f'{r["client_ip"]}:51234 [{date}] fe_agents {renamed(r["service"]["name"])}/srv1 0/0/1/{took - 1}/{took} '
        f'{r["response"]["status"]} {r["response"].get("size", 0)} - - ---- 1/1/0/0/0 0/0 {captured}"{asked["method"]} '
        f'{renamed(asked["uri"])} HTTP/1.1"'
    )


def envoy(r):
    number, address = r["x_request_id"], r["downstream_remote_address"].rsplit(":", 1)[0]
    return (
        f'[{zulu(iso(r["start_time"]))}] "{r["method"]} {renamed(r["path"])} HTTP/1.1" {r["response_code"]} - via_upstream - "-" '
        f'{r["bytes_received"]} {r["bytes_sent"]} {r["duration"]} {max(r["duration"] - 1, 0)} "{address}" "{r["user_agent"]}" "{number}" '
        f'"itsm.example" "10.0.0.1:8080" outbound|8080||itsm - 10.0.0.1:8080 {address}:5000 - default'
    )


def iis(r):
    at = iso(r["TIMESTAMP_DERIVED"]).strftime("%Y-%m-%d %H:%M:%S")
    stem, _, query = renamed(r["URI"]).partition("?")
    user = SF.sub(sys_id, r["USER_ID_DERIVED"]) or "-"
    return (
        f'{at} 192.0.2.1 {r["METHOD"]} {stem} {query or "-"} 443 {user} {r["CLIENT_IP"]} {r["USER_AGENT"].replace(" ", "+")} - '
        f'{r["STATUS_CODE"]} 0 0 {r["RESPONSE_SIZE"]} {r["REQUEST_SIZE"]} {r["RUN_TIME"]}'
    )


def guid(text):
    number = hashlib.md5(text.encode()).hexdigest()
    return "-".join((number[:8], number[8:12], number[12:16], number[16:20], number[20:]))


def dataverse(name):
    audit = sys_audit(name)

    def of(r):
        a = audit(r)
        created = a["fieldname"] == "INSERTED"
        change = {"logicalName": a["fieldname"], "oldValue": a["oldvalue"] or None, "newValue": a["newvalue"] or None}
        return {
            "auditid": guid(a["sys_id"]),
            "createdon": iso(r["CREATEDDATE"]).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "_userid_value": guid(a["user"]),
            "operation": 1 if created else 2,
            "objecttypecode": a["tablename"],
            "_objectid_value": guid(a["documentkey"]),
            "transactionid": guid(a["documentkey"] + a["sys_created_on"] + a["user"]),
            "changedata": json.dumps({"changedAttributes": [] if created else [change]}),
        }

    return of


heads = Heads()


def oracle(r):
    at, user = heads.of(r)
    number, binds = r["OBJECTID"].lstrip("0"), ""
    if "UDATE" in r:
        table, statement, values = "SALES_ORDERS", "update sales_orders set changed = sysdate where order_no = :1", [number]
    else:
        field = FIELDS.get(r["FNAME"], r["FNAME"]).lower()
        table, values = r["TABNAME"], [r["VALUE_NEW"], number]
        statement = f"update {table.lower()} set {field} = :1 where order_no = :2"
    binds = "".join(f" #{place}({len(value.encode())}):{value}" for place, value in enumerate(values, 1))
    return {
        "AUDIT_TYPE": "Standard",
        "SESSIONID": int(r["CHANGENR"]) % 1000,
        "USERHOST": "appsrv",
        "DBUSERNAME": user,
        "CLIENT_IDENTIFIER": "",
        "EVENT_TIMESTAMP_UTC": at.strftime("%Y-%m-%d %H:%M:%S.000000") if at else "",
        "ACTION_NAME": "UPDATE",
        "RETURN_CODE": 0,
        "TRANSACTION_ID": f"{int(r['CHANGENR']):016X}",
        "OBJECT_SCHEMA": "ORDERS",
        "OBJECT_NAME": table,
        "SQL_TEXT": statement,
        "SQL_BINDS": binds,
    }


MADE = {
    "openai_chat.jsonl": portkey,
    "anthropic_messages.jsonl": vertex,
    "otel_genai.jsonl": langsmith,
    "kong.jsonl": haproxy,
    "envoy.jsonl": envoy,
    "sf_elf_restapi.csv": iis,
    "approvals.csv": sysapproval,
    "sap_cdhdr.csv": oracle,
    "sap_cdpos.csv": oracle,
}
of_field = dataverse
