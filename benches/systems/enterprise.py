"""Helicone, LangSmith, OpenInference, Apigee, Tyk, AWS load balancer, SQL Server, SAP workflow, SAP HANA."""

from systems.common import *
from systems.suites import sys_audit

NAMES = {
    "openai_chat.jsonl": "helicone.jsonl",
    "anthropic_messages.jsonl": "langsmith.jsonl",
    "otel_genai.jsonl": "phoenix.jsonl",
    "kong.jsonl": "apigee.csv",
    "envoy.jsonl": "tyk.jsonl",
    "sf_elf_restapi.csv": "elb.log",
    "sf_CaseHistory.csv": "sqlserver_incident.csv",
    "sf_ContactHistory.csv": "sqlserver_contact.csv",
    "sf_ServiceRequestHistory.csv": "sqlserver_request.csv",
    "approvals.csv": "sap_workflow.csv",
    "sap_cdhdr.csv": "hana.csv",
    "sap_cdpos.csv": "hana_lines.csv",
}
#: Files whose cells are divided by a semicolon, and those that have no line of names.
SEMICOLON = {"sap_workflow.csv", "hana.csv", "hana_lines.csv"}
BARE = {"hana.csv", "hana_lines.csv"}


def helicone(r):
    begin = iso(r["created_at"])
    meta = r["request"].get("metadata", {})
    properties = {"Helicone-Session-Id": meta.get("conversation_id"), "trace_id": meta.get("trace_id")}
    made = {
        "request_id": r["request_id"],
        "request_created_at": zulu(begin),
        "response_created_at": zulu(begin + dt.timedelta(milliseconds=r.get("latency_ms", 0))),
        "request_model": r["request"]["model"],
        "provider": "OPENAI",
        "request_user_id": r["request"].get("user"),
        "response_status": 200,
        "request_body": {k: v for k, v in r["request"].items() if k not in ("metadata", "user")},
        "response_body": r["response"],
        "request_properties": {k: v for k, v in properties.items() if v},
    }
    return {k: v for k, v in made.items() if v is not None}


def langsmith(r):
    begin, head, asked = iso(r["timestamp"]), r["headers"], r["request"]
    number = hashlib.md5(r["request_id"].encode()).hexdigest()
    trace = head["traceparent"].split("-")[1] if "traceparent" in head else number
    kept = ("temperature", "max_tokens", "model")
    return {
        "id": number,
        "trace_id": trace,
        "run_type": "llm",
        "name": "ChatAnthropic",
        "start_time": zulu(begin).rstrip("Z"),
        "end_time": zulu(begin + dt.timedelta(milliseconds=r.get("duration_ms", 0))).rstrip("Z"),
        "inputs": {"messages": asked["messages"], "system": asked.get("system")},
        "outputs": r["response"],
        "extra": {
            "invocation_params": {k: asked[k] for k in kept if k in asked},
            "metadata": {"thread_id": head.get("x-conversation-id"), "ls_provider": "anthropic"},
        },
    }


def phoenix(r):
    resource = r["resourceSpans"][0]
    span = dict(resource["scopeSpans"][0]["spans"][0])
    a = {x["key"]: list(x["value"].values())[0] for x in span["attributes"]}
    kinds = {"chat": "LLM", "execute_tool": "TOOL", "invoke_agent": "AGENT"}
    made = {
        "openinference.span.kind": kinds[a["gen_ai.operation.name"]],
        "session.id": a.get("gen_ai.conversation.id"),
        "user.id": a.get("enduser.pseudo.id"),
        "llm.model_name": a.get("gen_ai.request.model"),
        "tool.name": a.get("gen_ai.tool.name"),
        "tool_call.id": a.get("gen_ai.tool.call.id"),
        "input.value": a.get("gen_ai.tool.call.arguments"),
        "output.value": a.get("gen_ai.tool.call.result"),
        "llm.token_count.prompt": a.get("gen_ai.usage.input_tokens"),
        "llm.token_count.completion": a.get("gen_ai.usage.output_tokens"),
    }
    for side in ("input", "output"):
        try:
            messages = json.loads(a[f"gen_ai.{side}.messages"])
        except (KeyError, ValueError):
            continue
        for number, message in enumerate(messages):
            flat = f"llm.{side}_messages.{number}.message."
            made[flat + "role"] = message["role"]
            calls = 0
            for part in message.get("parts", []):
                if part["type"] == "text":
                    made[flat + "content"] = part["content"]
                elif part["type"] == "tool_call":
                    call = flat + f"tool_calls.{calls}.tool_call."
                    made[call + "id"] = part.get("id")
                    made[call + "function.name"] = part["name"]
                    arguments = part.get("arguments")
                    made[call + "function.arguments"] = arguments if isinstance(arguments, str) else json.dumps(arguments)
                    calls += 1
                elif part["type"] == "tool_call_response":
                    made[flat + "tool_call_id"] = part.get("id")
                    made[flat + "content"] = str(part.get("response", part.get("result", "")))
    value = lambda v: {"intValue": str(v)} if isinstance(v, int) else {"stringValue": str(v)}
    span["attributes"] = [{"key": k, "value": value(v)} for k, v in made.items() if v is not None]
    scope = {"scope": {"name": "openinference.instrumentation.langchain"}, "spans": [span]}
    return {"resourceSpans": [{"resource": resource["resource"], "scopeSpans": [scope]}]}


def apigee(r):
    asked = r["request"]
    return {
        "client_received_start_timestamp": r["started_at"],
        "client_sent_end_timestamp": r["started_at"] + r["latencies"]["request"],
        "apiproxy": renamed(r["service"]["name"]),
        "developer_app": r.get("consumer", {}).get("username", ""),
        "gateway_flow_id": asked["headers"].get("x-request-id", asked["id"]),
        "request_verb": asked["method"],
        "request_uri": renamed(asked["uri"]),
        "response_status_code": r["response"]["status"],
        "client_ip": r["client_ip"],
    }


def tyk(r):
    made = {
        "timestamp": zulu(iso(r["start_time"])),
        "method": r["method"],
        "path": renamed(r["path"]).split("?")[0],
        "raw_path": renamed(r["path"]),
        "response_code": r["response_code"],
        "api_key": "00000000",
        "org_id": "5e9d9544a1dcd60001d0ed20",
        "api_id": "itsm",
        "api_name": "ITSM",
        "request_time": r["duration"],
        "ip_address": r["downstream_remote_address"].rsplit(":", 1)[0],
    }
    if r["traceparent"] != "-":
        made["trace_id"] = r["traceparent"].split("-")[1]
    return made


def elb(r):
    begin, took = iso(r["TIMESTAMP_DERIVED"]), int(r["RUN_TIME"]) / 1000
    end = (begin + dt.timedelta(seconds=took)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    number = r["REQUEST_ID"] if len(r["REQUEST_ID"]) == 32 else hashlib.md5(r["REQUEST_ID"].encode()).hexdigest()
    target = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/itsm/73e2d6bc24d8a067"
    code, size = r["STATUS_CODE"], r["RESPONSE_SIZE"]
    return (
        f'https {end} app/itsm/50dc6c495c0c9188 {r["CLIENT_IP"]}:2817 10.0.0.66:443 0.001 {took:.3f} 0.000 {code} {code} '
        f'{r["REQUEST_SIZE"]} {size} "{r["METHOD"]} https://itsm.example:443{renamed(r["URI"])} HTTP/1.1" "{r["USER_AGENT"]}" '
        f'ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 {target} "Root=1-{number[:8]}-{number[8:]}" "itsm.example" "-" 1 '
        f'{begin.strftime("%Y-%m-%dT%H:%M:%S.%fZ")} "forward" "-" "-" "10.0.0.66:443" "{code}" "-" "-"'
    )


def sqlserver(name):
    audit = sys_audit(name)

    def of(r):
        a = audit(r)
        statement, save = statement_of(a)
        return {
            "event_time": a["sys_created_on"] + ".0000000",
            "sequence_number": 1,
            "action_id": "IN" if a["fieldname"] == "INSERTED" else "UP",
            "succeeded": 1,
            "session_id": 51,
            "server_instance_name": "ITSM1",
            "session_server_principal_name": a["user"],
            "server_principal_name": a["user"],
            "database_name": "itsm",
            "schema_name": "itsm",
            "object_name": a["tablename"],
            "statement": statement,
            "transaction_id": int(save[:7], 16) + 1,
            "client_ip": "192.0.2.30",
            "application_name": "itsm",
        }

    return of


def workflow(r):
    at = iso(r["CREATEDDATE"]).astimezone(BERLIN)
    process = int(hashlib.md5(r["PROCESSINSTANCEID"].encode()).hexdigest()[:7], 16)
    item = int(hashlib.md5(r["ID"].encode()).hexdigest()[:7], 16)
    decided = {"Approved": "APPROVED", "Rejected": "REJECTED"}.get(r["STEPSTATUS"], "")
    return {
        "WI_ID": f"{item:012}",
        "WI_TYPE": "W",
        "WI_TEXT": renamed(r["COMMENTS"]) or "Release change",
        "WI_STAT": "COMPLETED" if decided else "READY",
        "WI_CD": at.strftime("%Y%m%d"),
        "WI_CT": at.strftime("%H%M%S"),
        "WI_AED": at.strftime("%Y%m%d") if decided else "",
        "WI_AET": at.strftime("%H%M%S") if decided else "",
        "WI_AAGENT": SF.sub(sys_id, r["ACTORID"])[:12].upper(),
        "ACT_DEC": decided,
        "TYPEID": "BUS2032",
        "INSTID": r["TARGETOBJECTID"],
        "TOP_WI_ID": f"{process:012}",
    }


heads = Heads()


def hana(r):
    at, user = heads.of(r)
    number = r["OBJECTID"].lstrip("0")
    if "UDATE" in r:
        table, statement = "SALES_ORDER", f'UPDATE "ORDERS"."SALES_ORDER" SET "CHANGED" = NOW() WHERE "ORDER_NO" = \'{number}\''
    else:
        table = r["TABNAME"]
        field, value = FIELDS.get(r["FNAME"], r["FNAME"]).upper(), quoted(r["VALUE_NEW"])
        statement = f'UPDATE "ORDERS"."{table}" SET "{field}" = {value} WHERE "ORDER_NO" = \'{number}\''
    local = at.astimezone(BERLIN) if at else None
    connection = 40000 + int(r["CHANGENR"]) % 10000
    row = [local.strftime("%Y-%m-%d %H:%M:%S") if local else "", "indexserver", "hdb01", "PRD", "00", "30003", "PRD", "192.0.2.44"]
    row += ["app01", "4711", "51000", "ORDER_CHANGES", "INFO", "UPDATE", user, "ORDERS", table, "", "", "", "", "SUCCESSFUL"]
    row += ["", "", "", "", "", "", statement, str(connection), user]
    return {str(number): cell for number, cell in enumerate(row)}


MADE = {
    "openai_chat.jsonl": helicone,
    "anthropic_messages.jsonl": langsmith,
    "otel_genai.jsonl": phoenix,
    "kong.jsonl": apigee,
    "envoy.jsonl": tyk,
    "sf_elf_restapi.csv": elb,
    "approvals.csv": workflow,
    "sap_cdhdr.csv": hana,
    "sap_cdpos.csv": hana,
}
of_field = sqlserver
