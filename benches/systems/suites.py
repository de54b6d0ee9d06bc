"""LiteLLM, Bedrock, Langfuse, API Management, Traefik, NGINX, ServiceNow, Oracle Fusion."""

from systems.common import *

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


heads = Heads()


def fusion(r):
    at, user = heads.of(r)
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
of_field = sys_audit
