#!/usr/bin/env python3
"""Renders a preset of the labelled stitching data as other systems would have logged it, record by record, so that
truth.csv and truth_links.csv hold with other names of files.

    python3 benches/other_systems.py PRESET_FOLDER OUT_FOLDER [suites|databases|enterprise|cloud]

| from | to (suites) | to (databases) | to (enterprise) | to (cloud) |
| --- | --- | --- | --- | --- |
| OpenAI Chat Completions | LiteLLM logging payloads | OpenAI Responses, `created_at` in seconds and nothing else | Helicone | Portkey |
| Anthropic Messages | AWS Bedrock model invocation log (seconds only) | Gemini, no ids of calls | LangSmith runs | Vertex AI, logged when answered |
| OTLP JSON | Langfuse observations | OTLP JSON | OTLP with attributes of OpenInference | LangSmith traces |
| Kong | Azure API Management | APISIX | Apigee analytics, without bodies and sizes | HAProxy, without users |
| Envoy | Traefik | Amazon API Gateway | Tyk | Envoy's default text |
| Salesforce EventLogFile | NGINX in front of the same service | Apache, combined | AWS load balancer, no users | IIS, whole seconds |
| Salesforce field history | ServiceNow sys_audit | MySQL audit log, one statement a field | SQL Server audit | Dataverse audit |
| Salesforce approvals | ServiceNow sysapproval_approver | Jira changelog, one entry a step | SAP workflow, local time | ServiceNow sysapproval_approver |
| SAP change documents | Oracle Fusion audit report: each row with its time, none with a number of the change | PostgreSQL with pgaudit | SAP HANA audit trail, local time | Oracle unified auditing, values bound |

Records of Salesforce get 32-digit ids, OData services other paths, tables and fields other names.
"""

import csv, importlib, io, json, os, sys

base, out = sys.argv[1], sys.argv[2]
systems = importlib.import_module("systems." + (sys.argv[3] if len(sys.argv) > 3 else "suites"))
os.makedirs(out + "/logs", exist_ok=True)
for name in sorted(systems.NAMES):
    path = f"{base}/logs/{name}"
    if not os.path.exists(path):
        continue
    text = open(path, encoding="utf-8-sig").read()
    if name.endswith("jsonl"):
        rows = [json.loads(line) for line in text.splitlines() if line]
    else:
        rows = list(csv.DictReader(io.StringIO(text), delimiter=";" if name.startswith("sap") else ","))
    made = [systems.MADE.get(name, systems.of_field(name))(row) for row in rows]
    with open(f"{out}/logs/{systems.NAMES[name]}", "w", newline="") as file:
        if systems.NAMES[name].endswith("csv"):
            delimiter = ";" if systems.NAMES[name] in getattr(systems, "SEMICOLON", ()) else ","
            writer = csv.DictWriter(file, list(made[0]), delimiter=delimiter)
            if systems.NAMES[name] not in getattr(systems, "BARE", ()):
                writer.writeheader()
            writer.writerows(made)
        elif systems.NAMES[name].endswith("log"):
            file.write(getattr(systems, "HEAD", {}).get(systems.NAMES[name], ""))
            file.writelines(line + "\n" for line in made)
        else:
            file.writelines(json.dumps(row, separators=(",", ":")) + "\n" for row in made)
# Lines before the records count where they are kept as records.
before = {name: head.count("\n") for name, head in getattr(systems, "HEAD", {}).items()}
for name in ("truth.csv", "truth_links.csv"):
    with open(f"{base}/{name}") as truth, open(f"{out}/{name}", "w", newline="") as file:
        rows = csv.DictReader(truth)
        writer = csv.DictWriter(file, rows.fieldnames, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            for of in ("", "cause_", "effect_"):
                if of + "file" in row:
                    row[of + "file"] = systems.NAMES.get(row[of + "file"], row[of + "file"])
                    row[of + "record"] = int(row[of + "record"]) + before.get(row[of + "file"], 0)
            writer.writerow(row)
