#!/usr/bin/env python3
"""A preset of the labelled stitching data, or one that harder.py has rendered from it, as other circumstances would have it.

    python3 benches/varied.py PRESET_FOLDER OUT_FOLDER SEED NAME=VALUE...

    copies=N     as many copies (repeat.py), each task and each person's act moved to any time of them: a long log
    tasks=N      only so many of the tasks; people are as busy as before
    people=N     so many more acts like each of a person's, up to 150 s before or after it
    lost=SHARE   lines that are lost
    jitter=S     each record at a time of its own, off by so many seconds (standard deviation)
    late=S       changes in SAP so much later (mean)
    contents=X   spans without contents: of the orchestrator, of the tools (worker), or all
    users=none   no log tells users, clients or addresses

truth.csv and truth_links.csv are written for the records as they are then.
"""

import collections, copy, csv, datetime as dt, os, random, subprocess, sys, tempfile

from labelled import CET, load, save, seconds, span, when

UTC = dt.timezone.utc
base, out, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
given = dict(argument.split("=", 1) for argument in sys.argv[4:])
unknown = set(given) - {"copies", "tasks", "people", "lost", "jitter", "late", "contents", "users"}
if unknown:
    sys.exit(f"unknown: {', '.join(sorted(unknown))}\n{__doc__}")
chance = random.Random(seed)


def millis(time):
    return dt.datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def move(name, record, by):
    time = when(name, record)
    if time is None:
        return
    time += by
    if name.startswith("openai"):
        record["created_at"] = millis(time)
        record["response"]["created"] = int(record["response"]["created"] + by)
    elif name.startswith("anthropic"):
        record["timestamp"] = millis(time)
    elif name.startswith("otel"):
        for key in ("startTimeUnixNano", "endTimeUnixNano"):
            span(record)[key] = str(int(span(record)[key]) + int(by * 1e9))
    elif name == "kong.jsonl":
        record["started_at"] = int(record["started_at"] + by * 1000)
    elif name == "envoy.jsonl":
        record["start_time"] = millis(time)
    elif name.startswith("sf_elf"):
        record["TIMESTAMP_DERIVED"] = millis(time)
        record["TIMESTAMP"] = millis(time).translate(str.maketrans("", "", "-T:Z"))
    elif name == "sap_cdhdr.csv":
        moved = dt.datetime.fromtimestamp(int(time), CET)
        record["UDATE"], record["UTIME"] = moved.strftime("%Y%m%d"), moved.strftime("%H%M%S")
    else:
        record["CREATEDDATE"] = millis(int(time))


def renew(name, record, known):
    """Ids of its own for a record that is like another one."""
    digits = lambda n: "".join(chance.choice("0123456789abcdef") for _ in range(n))
    if name.startswith("sap"):
        number = known.setdefault(record["CHANGENR"], f"{700000 + chance.randrange(10**6):010}")
        record["CHANGENR"] = number
    elif name == "kong.jsonl":
        record["request"]["id"] = record["response"]["headers"]["x-kong-request-id"] = digits(32)
        headers = record["request"]["headers"]
        if "x-request-id" in headers:
            headers["x-request-id"] = digits(32)
        if "traceparent" in headers:
            headers["traceparent"] = f"00-{digits(32)}-{digits(16)}-01"
    elif name == "envoy.jsonl":
        record["x_request_id"] = digits(32)
    elif name.startswith("sf_elf"):
        record["REQUEST_ID"] = digits(22)
    else:
        record["ID"] = digits(18)
        if "PROCESSINSTANCEID" in record:
            instance = record["PROCESSINSTANCEID"]
            record["PROCESSINSTANCEID"] = known.setdefault(instance, digits(18))


def nobody(name, record):
    user = "0055js4s9CGHr0OAQT"
    if name == "openai_chat.jsonl":
        record["request"].pop("user", None)
    elif name == "anthropic_messages.jsonl":
        record["request"].pop("metadata", None)
    elif name == "kong.jsonl":
        record.pop("consumer", None)
        record["client_ip"] = "10.0.0.1"
    elif name == "envoy.jsonl":
        record["downstream_remote_address"] = "10.0.0.2:1"
    elif name == "sap_cdhdr.csv":
        record["USERNAME"] = "BATCH"
    elif name.startswith("sf_elf"):
        record.update(CLIENT_IP="10.0.0.3", USER_ID=user[:15], USER_ID_DERIVED=user)
    for key in ("CREATEDBYID", "ACTORID", "ORIGINALACTORID"):
        if key in record:
            record[key] = user


# Rows: file, record, task, and the number it had.
folder = base
truth = {(row["file"], int(row["record"])): row["task"] for row in csv.DictReader(open(base + "/truth.csv"))}
links = [
    ((row["call"],), (row["cause_file"], int(row["cause_record"])), (row["effect_file"], int(row["effect_record"])))
    for row in csv.DictReader(open(base + "/truth_links.csv"))
]
names = sorted(os.listdir(base + "/logs"))
if "copies" in given:
    copies = int(given["copies"])
    counts = {name: len(load(base, name)) for name in names}
    folder = tempfile.mkdtemp()
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "repeat.py")
    subprocess.run([sys.executable, script, base, folder, str(copies)], check=True)
    later = lambda of, number: (of[0], of[1] + number * counts[of[0]])
    truth = {later(of, n): f"{task}c{n}" for of, task in truth.items() for n in range(copies)}
    links = [((f"{call}c{n}",), later(a, n), later(b, n)) for (call,), a, b in links for n in range(copies)]
rows = []
for name in names:
    for number, record in enumerate(load(folder, name), 1):
        rows.append([name, record, truth.get((name, number)), number])
header_times = {row[1]["CHANGENR"]: when(row[0], row[1]) for row in rows if row[0] == "sap_cdhdr.csv"}

if "tasks" in given:
    kept = set(chance.sample(sorted({row[2] for row in rows if row[2] and row[2][0] == "T"}), int(given["tasks"])))
    rows = [row for row in rows if not row[2] or row[2][0] == "H" or row[2] in kept]
if "people" in given:
    acts = collections.defaultdict(list)
    for row in rows:
        if row[2] and row[2][0] == "H":
            acts[row[2]].append(row)
    for act, of_act in acts.items():
        for number in range(int(given["people"])):
            by, known = chance.uniform(-150, 150), {}
            for name, record, _, _ in of_act:
                record = copy.deepcopy(record)
                move(name, record, by)
                renew(name, record, known)
                rows.append([name, record, f"{act}x{number}", None])
if "late" in given:
    for name, record, task, _ in rows:
        if name == "sap_cdhdr.csv" and task and task[0] == "T":
            move(name, record, chance.expovariate(1 / float(given["late"])))
if "copies" in given:
    starts = {}
    for name, record, task, _ in rows:
        time = header_times.get(record["CHANGENR"]) if name == "sap_cdpos.csv" else when(name, record)
        if task and time:
            starts[task] = min(starts.get(task, time), time)
    ordered = sorted(starts.values())
    first, last = ordered[len(ordered) // 100], ordered[len(ordered) * 99 // 100]
    by = {task: chance.uniform(first, last) - starts[task] for task in sorted(starts)}
    for name, record, task, _ in rows:
        move(name, record, by.get(task, 0))
if "jitter" in given:
    of_save = {}
    for name, record, _, _ in rows:
        by = chance.gauss(0, float(given["jitter"]))
        if name.startswith("sf_") and "CREATEDDATE" in record:
            # The fields of one save have one time.
            save = (name, record["CREATEDDATE"], *(record.get(key) for key in ("PARENTID", "CONTACTID", "CASEID")))
            by = of_save.setdefault(save, by)
        move(name, record, by)
if "contents" in given:
    gone = {"orchestrator": ("messages",), "worker": ("arguments", "result")}
    gone["all"] = (*gone["orchestrator"], *gone["worker"])
    for name, record, _, _ in rows:
        if name.startswith("otel"):
            is_gone = lambda attribute: attribute["key"].endswith(gone[given["contents"]])
            span(record)["attributes"] = [one for one in span(record)["attributes"] if not is_gone(one)]
if "lost" in given:
    rows = [row for row in rows if chance.random() >= float(given["lost"])]
if given.get("users") == "none":
    for name, record, _, _ in rows:
        nobody(name, record)

os.makedirs(out + "/logs", exist_ok=True)
new, told = {}, []
for name in names:
    of_file = [row for row in rows if row[0] == name]
    of_file.sort(key=lambda row: int(row[1]["CHANGENR"]) if name == "sap_cdpos.csv" else when(name, row[1]))
    for number, (_, _, task, before) in enumerate(of_file, 1):
        if before:
            new[name, before] = number
        if task:
            told.append((name, number, task))
    save(out, name, [row[1] for row in of_file])
with open(out + "/truth.csv", "w", newline="") as handle:
    csv.writer(handle, lineterminator="\n").writerows([("file", "record", "task"), *told])
with open(out + "/truth_links.csv", "w", newline="") as handle:
    writer = csv.writer(handle, lineterminator="\n")
    writer.writerow(("call", "cause_file", "cause_record", "effect_file", "effect_record"))
    for (call,), cause, effect in links:
        if cause in new and effect in new:
            writer.writerow((call, cause[0], new[cause], effect[0], new[effect]))
