#!/usr/bin/env python3
"""Renders a preset of the labelled stitching data anew, harder: no technical id is shared by two systems, each
clock is up to 90 s off, and the tasks overlap more.

    python3 benches/harder.py PRESET_FOLDER OUT_FOLDER SEED DENSITY

DENSITY is the share of the time between the starts of tasks that is kept (0.24 makes twelve at a time fifty).
Only times and ids are changed, so truth.csv and truth_links.csv hold for the result too.
"""

import csv, random, sys, os, datetime as dt

from labelled import CET, load, save, seconds as iso, span, when

base, out, seed, dens = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
R = random.Random(seed)
os.makedirs(out + "/logs", exist_ok=True)
truth = {}
for r in csv.DictReader(open(base + "/truth.csv")):
    truth[(r["file"], int(r["record"]))] = r["task"]
off = {
    k: R.uniform(-90, 90)
    for k in ["openai", "anthropic", "orch", "worker", "kong", "envoy", "sf", "approvals", "sap"]
}


def toiso(t, ms=True):
    d = dt.datetime.fromtimestamp(t, dt.timezone.utc)
    return d.strftime("%Y-%m-%dT%H:%M:%S.") + ("%03dZ" % (d.microsecond // 1000))


hexs = lambda n: "".join(R.choice("0123456789abcdef") for _ in range(n))


files = sorted(os.listdir(base + "/logs"))
recs = {f: load(base, f) for f in files}


start = {}
M = {}
for f in files:
    for i, r in enumerate(recs[f]):
        t = when(f, r)
        k = truth.get((f, i + 1))
        if t and k:
            start[k] = min(start.get(k, 9e18), t)
t0 = min(start.values())


def shift(f, i, r, src):
    k = truth.get((f, i + 1))
    s = start.get(k)
    if s is None:
        s = when(f, r)
    return -(s - t0) * (1 - dens) + off[src]


for f in files:
    o = []
    for i, r in enumerate(recs[f]):
        if f.startswith("openai"):
            d = shift(f, i, r, "openai")
            r["created_at"] = toiso(iso(r["created_at"]) + d)
            r["response"]["created"] = int(r["response"]["created"] + d)
            r["request"].get("metadata", {}).pop("trace_id", None)
        elif f.startswith("anth"):
            d = shift(f, i, r, "anthropic")
            r["timestamp"] = toiso(iso(r["timestamp"]) + d)
            r["headers"].pop("traceparent", None)
        elif f.startswith("otel"):
            res = r["resourceSpans"][0]
            sp = span(r)
            svc = [
                a["value"]["stringValue"] for a in res["resource"]["attributes"] if a["key"] == "service.name"
            ][0]
            d = shift(f, i, r, "worker" if "worker" in svc or sp["name"].startswith("execute") else "orch")
            for k in ("startTimeUnixNano", "endTimeUnixNano"):
                sp[k] = str(int(sp[k]) + int(d * 1e9))
            side = "w" if sp["name"].startswith("execute") else "o"
            sp["traceId"] = M.setdefault((side, sp["traceId"]), hexs(32))
            sp.pop("parentSpanId", None) if side == "w" else None
            for a in sp["attributes"]:
                if a["key"] == "gen_ai.conversation.id":
                    a["value"] = {"stringValue": M.setdefault(("c", side, str(a["value"])), hexs(32))}
            sp["attributes"] = [
                a for a in sp["attributes"] if a["key"] not in ("gen_ai.tool.call.id", "gen_ai.response.id")
            ]
        elif f == "kong.jsonl":
            d = shift(f, i, r, "kong")
            r["started_at"] = int(r["started_at"] + d * 1000)
            h = r["request"]["headers"]
            for k in ("traceparent", "x-tool-call-id"):
                h.pop(k, None)
            if "x-request-id" in h:
                h["x-request-id"] = hexs(32)
        elif f == "envoy.jsonl":
            d = shift(f, i, r, "envoy")
            r["start_time"] = toiso(iso(r["start_time"]) + d)
            r["traceparent"] = "-"
            r["x_tool_call_id"] = "-"
            r["x_request_id"] = hexs(32)
        elif f.startswith("sf_elf"):
            d = shift(f, i, r, "sf")
            t = iso(r["TIMESTAMP_DERIVED"]) + d
            r["TIMESTAMP_DERIVED"] = toiso(t)
            x = dt.datetime.fromtimestamp(t, dt.timezone.utc)
            r["TIMESTAMP"] = x.strftime("%Y%m%d%H%M%S.") + "%03d" % (x.microsecond // 1000)
            if len(r["REQUEST_ID"]) == 32:
                r["REQUEST_ID"] = hexs(22)
        elif f.startswith("sf_") or f == "approvals.csv":
            d = shift(f, i, r, "sf" if f != "approvals.csv" else "approvals")
            t = iso(r["CREATEDDATE"]) + d
            x = dt.datetime.fromtimestamp(int(t), dt.timezone.utc)
            r["CREATEDDATE"] = x.strftime("%Y-%m-%dT%H:%M:%S.000Z")
            if r.get("FIELD") == "AgentTraceId__c":
                r["NEWVALUE"] = hexs(32)
            if "CORRELATIONID" in r:
                r["CORRELATIONID"] = ""
        elif f == "sap_cdhdr.csv":
            d = shift(f, i, r, "sap")
            x = dt.datetime.fromtimestamp(int(when(f, r) + d), CET)
            r["UDATE"] = x.strftime("%Y%m%d")
            r["UTIME"] = x.strftime("%H%M%S")
        elif f == "sap_cdpos.csv":
            if r["FNAME"] == "ZZTRACE":
                r["VALUE_NEW"] = hexs(32)
        o.append(r)
    save(out, f, o)
for n in ("truth.csv", "truth_links.csv"):
    open(f"{out}/{n}", "w").write(open(f"{base}/{n}").read())
print(off)
