"""Responses, Gemini, OTLP, APISIX, Amazon API Gateway, Apache, MySQL, Jira, PostgreSQL with pgaudit."""

from systems.common import *
from systems.suites import sys_audit

NAMES = {
    "openai_chat.jsonl": "responses.jsonl",
    "anthropic_messages.jsonl": "gemini.jsonl",
    "otel_genai.jsonl": "otel_genai.jsonl",
    "kong.jsonl": "apisix.jsonl",
    "envoy.jsonl": "api_gateway.jsonl",
    "sf_elf_restapi.csv": "access.log",
    "sf_CaseHistory.csv": "mysql_incident.jsonl",
    "sf_ContactHistory.csv": "mysql_contact.jsonl",
    "sf_ServiceRequestHistory.csv": "mysql_request.jsonl",
    "approvals.csv": "jira.jsonl",
    "sap_cdhdr.csv": "pgaudit.jsonl",
    "sap_cdpos.csv": "pgaudit_lines.jsonl",
}


def responses(r):
    asked = r["request"]
    items = []
    for m in asked["messages"]:
        if m["role"] == "tool":
            items.append({"type": "function_call_output", "call_id": m["tool_call_id"], "output": m["content"]})
            continue
        if m.get("content"):
            items.append({"role": m["role"], "content": m["content"]})
        items.extend(function_call(call) for call in m.get("tool_calls") or [])
    said = r["response"]["choices"][0]["message"]
    output = [function_call(call) for call in said.get("tool_calls") or []]
    if said.get("content"):
        output.insert(0, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": said["content"]}]})
    usage = r["response"].get("usage", {})
    request = {"model": asked["model"], "input": items, "metadata": asked.get("metadata", {})}
    if "user" in asked:
        request["user"] = asked["user"]
    return {
        "request": request,
        "response": {
            "id": "resp_" + hashlib.md5(r["response"]["id"].encode()).hexdigest(),
            "object": "response",
            "created_at": int(iso(r["created_at"]).timestamp()),
            "status": "completed",
            "model": r["response"]["model"],
            "output": output,
            "usage": {"input_tokens": usage.get("prompt_tokens", 0), "output_tokens": usage.get("completion_tokens", 0)},
        },
    }


def function_call(call):
    of = call["function"]
    return {"type": "function_call", "call_id": call["id"], "name": of["name"], "arguments": of["arguments"]}


def gemini(r):
    asked, names = r["request"], {}

    def parts(content):
        if isinstance(content, str):
            return [{"text": content}]
        made = []
        for part in content:
            if part["type"] == "text":
                made.append({"text": part["text"]})
            elif part["type"] == "tool_use":
                names[part["id"]] = part["name"]
                made.append({"functionCall": {"name": part["name"], "args": part["input"]}})
            elif part["type"] == "tool_result":
                text = part["content"]
                name = names.get(part["tool_use_id"], "tool")
                made.append({"functionResponse": {"name": name, "response": {"result": text}}})
        return made

    contents = [
        {"role": "model" if m["role"] == "assistant" else "user", "parts": parts(m["content"])} for m in asked["messages"]
    ]
    request = {"contents": contents}
    if asked.get("system"):
        request["systemInstruction"] = {"parts": parts(asked["system"])}
    usage = r["response"].get("usage", {})
    made = {
        "url": "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent",
        "method": "POST",
        "timestamp": r["timestamp"],
        "duration_ms": r["duration_ms"],
        "status": 200,
        "request_id": r["request_id"],
        "headers": {k: v for k, v in r["headers"].items() if k != "anthropic-version"},
        "request": request,
        "response": {
            "responseId": r["response"]["id"],
            "modelVersion": "gemini-2.5-pro-002",
            "candidates": [{"content": {"role": "model", "parts": parts(r["response"]["content"])}, "finishReason": "STOP"}],
            "usageMetadata": {
                "promptTokenCount": usage.get("input_tokens", 0),
                "candidatesTokenCount": usage.get("output_tokens", 0),
            },
        },
    }
    return made


def apisix(r):
    asked = r["request"]
    request = {"method": asked["method"], "uri": renamed(asked["uri"]), "headers": asked["headers"], "size": asked.get("size")}
    if "body" in asked:
        request["body"] = asked["body"] if isinstance(asked["body"], str) else json.dumps(asked["body"])
    return {
        "route_id": renamed(r["route"]["name"]),
        "service_id": renamed(r["service"]["name"]),
        "start_time": r["started_at"],
        "client_ip": r["client_ip"],
        "latency": r["latencies"]["request"],
        "consumer": r.get("consumer", {}),
        "request": request,
        "response": {"status": r["response"]["status"], "size": r["response"].get("size")},
    }


def aws(r):
    made = {
        "requestId": r["x_request_id"],
        "ip": r["downstream_remote_address"].rsplit(":", 1)[0],
        "user": "-",
        "requestTimeEpoch": int(iso(r["start_time"]).timestamp() * 1000),
        "httpMethod": r["method"],
        "path": renamed(r["path"]),
        "status": str(r["response_code"]),
        "protocol": r["protocol"],
        "responseLength": str(r["bytes_sent"]),
        "responseLatency": r["duration"],
    }
    if r["traceparent"] != "-":
        trace = r["traceparent"].split("-")[1]
        made["xrayTraceId"] = f"1-{trace[:8]}-{trace[8:]}"
    return made


def combined(r):
    at = iso(r["TIMESTAMP_DERIVED"]).strftime("%d/%b/%Y:%H:%M:%S +0000")
    user = SF.sub(sys_id, r["USER_ID_DERIVED"])
    return (
        f'{r["CLIENT_IP"]} - {user} [{at}] "{r["METHOD"]} {renamed(r["URI"])} HTTP/1.1" {r["STATUS_CODE"]} '
        f'{r["RESPONSE_SIZE"]} "-" "{r["USER_AGENT"]}"'
    )


def mysql(name):
    audit = sys_audit(name)

    def of(r):
        a = audit(r)
        statement, save = statement_of(a)
        connection = int(save[:6], 16)
        return {
            "timestamp": a["sys_created_on"],
            "id": 0,
            "class": "general",
            "event": "status",
            "connection_id": connection,
            "account": {"user": a["user"], "host": "itsm"},
            "login": {"user": a["user"], "os": "", "ip": "192.0.2.30", "proxy": ""},
            "general_data": {"command": "Query", "sql_command": "update", "query": statement, "status": 0},
        }

    return of


def jira(r):
    to = {"Started": "In review", "Approved": "Approved", "Rejected": "Declined"}.get(r["STEPSTATUS"], r["STEPSTATUS"])
    items = [{"field": "status", "fromString": "", "toString": to}]
    if r["COMMENTS"]:
        items.append({"field": "comment", "fromString": "", "toString": renamed(r["COMMENTS"])})
    items.append({"field": "order", "fromString": "", "toString": r["TARGETOBJECTID"]})
    if r["CORRELATIONID"]:
        items.append({"field": "trace", "fromString": "", "toString": r["CORRELATIONID"]})
    key = "APR-%d" % (int(hashlib.md5(r["PROCESSINSTANCEID"].encode()).hexdigest()[:5], 16) + 1000)
    author = {"accountId": SF.sub(sys_id, r["ACTORID"])}
    history = {"id": r["ID"], "author": author, "created": r["CREATEDDATE"], "items": items}
    return {"key": key, "changelog": {"histories": [history]}}


heads = Heads()


def pgaudit(r):
    if "UDATE" in r:
        number = r["OBJECTID"].lstrip("0")
        table, statement = "orders.sales_order", f"UPDATE orders.sales_order SET changed = now() WHERE order_no = {number}"
    else:
        table = "orders." + r["TABNAME"].lower()
        field = FIELDS.get(r["FNAME"], r["FNAME"]).lower()
        statement = f"UPDATE {table} SET {field} = {quoted(r['VALUE_NEW'])} WHERE order_no = {r['OBJECTID'].lstrip('0')}"
    at, user = heads.of(r)
    text = statement.replace('"', '""')
    return {
        "timestamp": at.strftime("%Y-%m-%d %H:%M:%S.000 UTC"),
        "user": user.lower(),
        "dbname": "orders",
        "pid": 4711,
        "session_id": "65e2f0a1." + r["CHANGENR"][-4:],
        "line_num": 1,
        "txid": int(r["CHANGENR"]),
        "error_severity": "LOG",
        "message": f'AUDIT: SESSION,1,1,WRITE,UPDATE,TABLE,{table},"{text}",<none>',
        "application_name": "orders-service",
        "backend_type": "client backend",
    }


MADE = {
    "openai_chat.jsonl": responses,
    "anthropic_messages.jsonl": gemini,
    "otel_genai.jsonl": lambda r: r,
    "kong.jsonl": apisix,
    "envoy.jsonl": aws,
    "sf_elf_restapi.csv": combined,
    "approvals.csv": jira,
    "sap_cdhdr.csv": pgaudit,
    "sap_cdpos.csv": pgaudit,
}
of_field = mysql
