"""The logs of the labelled stitching data, read and written by the scripts that render them anew."""

import csv, datetime as dt, io, json

CET = dt.timezone(dt.timedelta(hours=1))


def delimiter(name):
    return ";" if name.startswith("sap") else ","


def load(folder, name):
    with open(f"{folder}/logs/{name}", encoding="utf-8-sig") as handle:
        text = handle.read()
    if name.endswith("jsonl"):
        return [json.loads(line) for line in text.splitlines() if line]
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter(name)))


def save(folder, name, records):
    with open(f"{folder}/logs/{name}", "w", newline="") as handle:
        if name.endswith("jsonl"):
            handle.writelines(json.dumps(record, separators=(",", ":")) + "\n" for record in records)
        elif records:
            quoting = csv.QUOTE_MINIMAL if name.startswith("sap") else csv.QUOTE_ALL
            writer = csv.DictWriter(handle, list(records[0]), delimiter=delimiter(name), quoting=quoting)
            writer.writeheader()
            writer.writerows(records)


def seconds(text):
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def span(record):
    return record["resourceSpans"][0]["scopeSpans"][0]["spans"][0]


def when(name, record):
    """The time of a record; none of a position of a change document."""
    if name.startswith("openai"):
        return seconds(record["created_at"])
    if name.startswith("anthropic"):
        return seconds(record["timestamp"])
    if name.startswith("otel"):
        return int(span(record)["startTimeUnixNano"]) / 1e9
    if name == "kong.jsonl":
        return record["started_at"] / 1e3
    if name == "envoy.jsonl":
        return seconds(record["start_time"])
    if name.startswith("sf_elf"):
        return seconds(record["TIMESTAMP_DERIVED"])
    if name == "sap_cdhdr.csv":
        return dt.datetime.strptime(record["UDATE"] + record["UTIME"], "%Y%m%d%H%M%S").replace(tzinfo=CET).timestamp()
    return None if name == "sap_cdpos.csv" else seconds(record["CREATEDDATE"])
