#!/usr/bin/env python3
"""Renders a preset of the labelled stitching data as other systems would have logged it, record by record, so that
truth.csv and truth_links.csv hold with other names of files.

    python3 benches/other_systems.py PRESET_FOLDER OUT_FOLDER [suites|databases]

| from | to (suites) | to (databases) |
| --- | --- | --- |
| OpenAI Chat Completions | LiteLLM logging payloads | OpenAI Responses, `created_at` in seconds and nothing else |
| Anthropic Messages | AWS Bedrock model invocation log (seconds only) | Gemini, no ids of calls |
| OTLP JSON | Langfuse observations | OTLP JSON |
| Kong | Azure API Management | APISIX |
| Envoy | Traefik | Amazon API Gateway |
| Salesforce EventLogFile | NGINX in front of the same service | Apache, combined |
| Salesforce field history | ServiceNow sys_audit | MySQL audit log, one statement a field |
| Salesforce approvals | ServiceNow sysapproval_approver | Jira changelog, one entry a step |
| SAP change documents | Oracle Fusion audit report: each row with its time, none with a number of the change | PostgreSQL with pgaudit |

Records of Salesforce get 32-digit ids, OData services other paths, tables and fields other names.
"""

import csv, datetime as dt, hashlib, io, json, os, re, sys

base, out = sys.argv[1], sys.argv[2]
os.makedirs(out + "/logs", exist_ok=True)
SF = re.compile(r"\b(?:003|005|500|a0X|04g|04h|017|00D|0H4)[0-9A-Za-z]{12}(?:[0-9A-Za-z]{3})?\b")
NAMES = {
    "openai_chat.jsonl": "litellm.jsonl",
    "anthropic_messages.jsonl": "bedrock.jsonl",
    "otel_genai.jsonl": "langfuse.jsonl",
    "kong.jsonl": "apim.jsonl",
    "envoy.jsonl": "traefik.jsonl",
    "sf_elf_restapi.csv": "nginx.jsonl",
    "sf_CaseHistory.csv": "sys_audit_incident.jsonl",
    "sf_ContactHistory.csv": "sys_audit_contact.jsonl",
    "sf_ServiceRequestHistory.csv": "sys_audit_request.jsonl",
    "approvals.csv": "sysapproval.jsonl",
    "sap_cdhdr.csv": "fusion_audit.csv",
    "sap_cdpos.csv": "fusion_audit_lines.csv",
}
FIELDS = {
    "POST_CODE1": "ZipCode",
    "STR_SUPPL1": "AddressLine2",
    "STREET": "AddressLine1",
    "CITY1": "City",
    "COUNTRY": "Country",
    "REGION": "State",
    "MATNR": "InventoryItem",
    "ZZPAYMETH": "PaymentMethod",
    "ABGRU": "CancelReason",
    "ZZTRACE": "CorrelationId",
}
TABLES = {"sf_CaseHistory.csv": "incident", "sf_ContactHistory.csv": "customer_contact"}


def sys_id(match):
    return hashlib.md5(match.group(0)[:15].encode()).hexdigest()


def renamed(text):
    text = SF.sub(sys_id, text)
    text = text.replace("/services/data/v60.0/sobjects/ServiceRequest__c", "/api/now/table/u_service_request")
    text = text.replace("/services/data/v60.0/sobjects/", "/api/now/table/")
    text = text.replace("/services/data/v60.0/query", "/api/now/search")
    text = re.sub(
        r"/sap/opu/odata/sap/API_SALES_ORDER_SRV/A_SalesOrder\('(\w+)'\)",
        r"/fscmRestApi/resources/11.13.18.05/salesOrdersForOrderHub/\1",
        text,
    )
    return text.replace("sap-odata-sd", "fusion-orders")


def iso(text):
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))


def zulu(time):
    return time.astimezone(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def blank(text):
    return iso(text).strftime("%Y-%m-%d %H:%M:%S")


def litellm(r):
    begin = iso(r["created_at"]).timestamp()
    asked, meta = r["request"], r["request"].get("metadata", {})
    made = {
        "id": r["response"]["id"],
        "litellm_call_id": r["request_id"],
        "trace_id": meta.get("trace_id"),
        "session_id": meta.get("conversation_id"),
        "call_type": "acompletion",
        "startTime": begin,
        "endTime": begin + r.get("latency_ms", 0) / 1000,
        "model": asked["model"],
        "custom_llm_provider": "openai",
        "messages": asked["messages"],
        "response": r["response"],
        "status": "success",
        "end_user": asked.get("user"),
        "metadata": {"user_api_key_alias": "agents"},
    }
    return {k: v for k, v in made.items() if v is not None}


def bedrock(r):
    head = r["headers"]
    meta = {}
    if "traceparent" in head:
        meta["trace_id"] = head["traceparent"].split("-")[1]
    if "x-conversation-id" in head:
        meta["conversation_id"] = head["x-conversation-id"]
    asked = dict(r["request"])
    model = asked.pop("model")
    if "metadata" in asked:
        meta["user_id"] = asked.pop("metadata").get("user_id")
    return {
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": iso(r["timestamp"]).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "accountId": "123456789012",
        "identity": {"arn": "arn:aws:sts::123456789012:assumed-role/agents/service-agent"},
        "region": "eu-central-1",
        "requestId": r["request_id"],
        "operation": "InvokeModel",
        "modelId": "eu.anthropic." + model,
        "input": {"inputContentType": "application/json", "inputBodyJson": asked},
        "output": {"outputContentType": "application/json", "outputBodyJson": r["response"]},
        "requestMetadata": meta,
    }


def langfuse(r):
    span = r["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    values = lambda attributes: {x["key"]: list(x["value"].values())[0] for x in attributes}
    a = values(span["attributes"])
    service = values(r["resourceSpans"][0]["resource"]["attributes"]).get("service.name")
    kinds = {"chat": "GENERATION", "execute_tool": "TOOL", "invoke_agent": "AGENT"}
    time = lambda ns: zulu(dt.datetime.fromtimestamp(int(ns) / 1e9, dt.timezone.utc))
    made = {
        "id": span["spanId"],
        "traceId": span["traceId"],
        "parentObservationId": span.get("parentSpanId"),
        "type": kinds[a["gen_ai.operation.name"]],
        "name": a.get("gen_ai.tool.name", span["name"]),
        "startTime": time(span["startTimeUnixNano"]),
        "endTime": time(span["endTimeUnixNano"]),
        "sessionId": a.get("gen_ai.conversation.id"),
        "userId": a.get("enduser.pseudo.id"),
        "model": a.get("gen_ai.request.model"),
        "level": "DEFAULT",
        "metadata": {"resourceAttributes": {"service.name": service}},
    }
    if "gen_ai.tool.call.id" in a:
        made["metadata"]["tool_call_id"] = a["gen_ai.tool.call.id"]
    for name, key in (
        ("input", "gen_ai.input.messages"),
        ("output", "gen_ai.output.messages"),
        ("input", "gen_ai.tool.call.arguments"),
        ("output", "gen_ai.tool.call.result"),
    ):
        if key in a:
            try:
                made[name] = json.loads(a[key])
            except ValueError:
                made[name] = a[key]
    if "gen_ai.usage.input_tokens" in a:
        made["usageDetails"] = {
            "input": int(a["gen_ai.usage.input_tokens"]),
            "output": int(a["gen_ai.usage.output_tokens"]),
        }
    return made


def apim(r):
    asked, head = r["request"], r["request"]["headers"]
    made = {
        "method": asked["method"],
        "url": renamed("/".join(asked["url"].split("/")[:3]) + asked["uri"]),
        "responseCode": r["response"]["status"],
        "backendResponseCode": r["response"]["status"],
        "apiId": renamed(r["service"]["name"]),
        "userId": r.get("consumer", {}).get("username"),
        "totalTime": r["latencies"]["request"],
        "requestSize": asked.get("size"),
        "responseSize": r["response"].get("size"),
        "requestHeaders": {k: v for k, v in head.items() if k not in ("host", "accept")},
    }
    if "body" in asked:
        made["requestBody"] = asked["body"] if isinstance(asked["body"], str) else json.dumps(asked["body"])
    return {
        "time": zulu(dt.datetime.fromtimestamp(r["started_at"] / 1000, dt.timezone.utc)),
        "category": "GatewayLogs",
        "operationName": "Microsoft.ApiManagement/GatewayLogs",
        "correlationId": asked["id"],
        "callerIpAddress": r["client_ip"],
        "properties": {k: v for k, v in made.items() if v is not None},
    }


def traefik(r):
    made = {
        "StartUTC": r["start_time"],
        "ClientHost": r["downstream_remote_address"].rsplit(":", 1)[0],
        "ClientUsername": "-",
        "RequestMethod": r["method"],
        "RequestPath": renamed(r["path"]),
        "DownstreamStatus": r["response_code"],
        "OriginStatus": r["response_code"],
        "Duration": r["duration"] * 1_000_000,
        "RequestContentSize": r["bytes_received"],
        "DownstreamContentSize": r["bytes_sent"],
        "RouterName": "itsm@docker",
        "ServiceName": "itsm",
        "request_User-Agent": r["user_agent"],
    }
    for name, of in (("X-Request-Id", "x_request_id"), ("Traceparent", "traceparent"), ("X-Tool-Call-Id", "x_tool_call_id")):
        if r.get(of, "-") != "-":
            made["request_" + name] = r[of]
    return made


def nginx(r):
    made = {
        "msec": "%.3f" % iso(r["TIMESTAMP_DERIVED"]).timestamp(),
        "remote_addr": r["CLIENT_IP"],
        "remote_user": SF.sub(sys_id, r["USER_ID_DERIVED"]),
        "request_method": r["METHOD"],
        "request_uri": renamed(r["URI"]),
        "status": r["STATUS_CODE"],
        "request_length": r["REQUEST_SIZE"],
        "body_bytes_sent": r["RESPONSE_SIZE"],
        "request_time": "%.3f" % (int(r["RUN_TIME"]) / 1000),
        "http_user_agent": r["USER_AGENT"],
        "host": "itsm.example",
        "request_id": hashlib.md5((r["TIMESTAMP"] + r["REQUEST_ID"]).encode()).hexdigest(),
    }
    if len(r["REQUEST_ID"]) == 32:
        made["http_traceparent"] = f"00-{r['REQUEST_ID']}-{made['request_id'][:16]}-01"
    return made


saves = {}


def sys_audit(name):
    def of(r):
        parent = [v for k, v in r.items() if k in ("CASEID", "CONTACTID", "PARENTID")][0]
        key, created = SF.sub(sys_id, parent), r["FIELD"] == "created"
        save = (key, r["CREATEDBYID"], r["CREATEDDATE"])
        count = saves.setdefault(key, {})
        return {
            "sys_id": hashlib.md5(r["ID"].encode()).hexdigest(),
            "tablename": TABLES.get(name, "u_service_request"),
            "documentkey": key,
            "fieldname": "INSERTED" if created else re.sub(r"(?<!^)([A-Z])", r"_\1", r["FIELD"].replace("__c", "")).lower(),
            "oldvalue": renamed(r["OLDVALUE"]),
            "newvalue": renamed(r["NEWVALUE"]),
            "user": SF.sub(sys_id, r["CREATEDBYID"]),
            "sys_created_on": blank(r["CREATEDDATE"]),
            "record_checkpoint": str(count.setdefault(save, len(count))),
        }

    return of


def sysapproval(r):
    made = {
        # One record an approval, exported as it was after each step.
        "sys_id": SF.sub(sys_id, r["PROCESSINSTANCEID"]),
        "source_table": "sales_order",
        "document_id": r["TARGETOBJECTID"],
        "state": {"Started": "requested", "Approved": "approved", "Rejected": "rejected"}.get(r["STEPSTATUS"], r["STEPSTATUS"]),
        "approver": SF.sub(sys_id, r["ACTORID"]),
        "comments": renamed(r["COMMENTS"]),
        "sys_created_on": blank(r["CREATEDDATE"]),
        "sys_updated_on": blank(r["CREATEDDATE"]),
    }
    if r["CORRELATIONID"]:
        made["correlation_id"] = r["CORRELATIONID"]
    return made


BERLIN = dt.timezone(dt.timedelta(hours=1))
heads = {}


def fusion(r):
    if "UDATE" in r:
        at = dt.datetime.strptime(r["UDATE"] + r["UTIME"], "%Y%m%d%H%M%S").replace(tzinfo=BERLIN)
        heads.setdefault(r["CHANGENR"], (at.astimezone(dt.timezone.utc), r["USERNAME"]))
    at, user = heads.get(r["CHANGENR"], (None, ""))
    return {
        "Date": at.strftime("%Y-%m-%d %H:%M:%S") if at else "",
        "User Name": user,
        "Event Type": "Object Data Update",
        "Business Object Type": "Sales Order",
        "Object Description": "Sales Order " + r["OBJECTID"].lstrip("0"),
        "Attribute": FIELDS.get(r.get("FNAME", ""), r.get("FNAME", "")),
        "Old Value": r.get("VALUE_OLD", ""),
        "New Value": r.get("VALUE_NEW", ""),
        "Product": "Order Management",
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


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def mysql(name):
    audit = sys_audit(name)

    def of(r):
        a = audit(r)
        table, key = a["tablename"], quoted(a["documentkey"])
        if a["fieldname"] == "INSERTED":
            statement = f"INSERT INTO itsm.{table} (id) VALUES ({key})"
        else:
            statement = f"UPDATE itsm.{table} SET {a['fieldname']} = {quoted(a['newvalue'])} WHERE id = {key}"
        connection = int(hashlib.md5((a["documentkey"] + a["sys_created_on"] + a["user"]).encode()).hexdigest()[:6], 16)
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


def pgaudit(r):
    if "UDATE" in r:
        at = dt.datetime.strptime(r["UDATE"] + r["UTIME"], "%Y%m%d%H%M%S").replace(tzinfo=BERLIN)
        heads.setdefault(r["CHANGENR"], (at.astimezone(dt.timezone.utc), r["USERNAME"]))
        number = r["OBJECTID"].lstrip("0")
        table, statement = "orders.sales_order", f"UPDATE orders.sales_order SET changed = now() WHERE order_no = {number}"
    else:
        table = "orders." + r["TABNAME"].lower()
        field = FIELDS.get(r["FNAME"], r["FNAME"]).lower()
        statement = f"UPDATE {table} SET {field} = {quoted(r['VALUE_NEW'])} WHERE order_no = {r['OBJECTID'].lstrip('0')}"
    at, user = heads[r["CHANGENR"]]
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
    "openai_chat.jsonl": litellm,
    "anthropic_messages.jsonl": bedrock,
    "otel_genai.jsonl": langfuse,
    "kong.jsonl": apim,
    "envoy.jsonl": traefik,
    "sf_elf_restapi.csv": nginx,
    "approvals.csv": sysapproval,
    "sap_cdhdr.csv": fusion,
    "sap_cdpos.csv": fusion,
}
if sys.argv[3:] == ["databases"]:
    NAMES.update(
        {
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
    )
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
else:
    of_field = sys_audit
for name in sorted(NAMES):
    path = f"{base}/logs/{name}"
    if not os.path.exists(path):
        continue
    text = open(path, encoding="utf-8-sig").read()
    if name.endswith("jsonl"):
        rows = [json.loads(line) for line in text.splitlines() if line]
    else:
        rows = list(csv.DictReader(io.StringIO(text), delimiter=";" if name.startswith("sap") else ","))
    made = [MADE.get(name, of_field(name))(row) for row in rows]
    with open(f"{out}/logs/{NAMES[name]}", "w", newline="") as file:
        if NAMES[name].endswith("csv"):
            writer = csv.DictWriter(file, list(made[0]))
            writer.writeheader()
            writer.writerows(made)
        elif NAMES[name].endswith("log"):
            file.writelines(line + "\n" for line in made)
        else:
            file.writelines(json.dumps(row, separators=(",", ":")) + "\n" for row in made)
for name in ("truth.csv", "truth_links.csv"):
    rows = list(csv.reader(open(f"{base}/{name}")))
    with open(f"{out}/{name}", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([[NAMES.get(cell, cell) for cell in row] for row in rows])
