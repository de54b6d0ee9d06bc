#!/usr/bin/env python3
"""A preset of the labelled stitching data whose tools and arguments have names that mean nothing.

    python3 benches/opaque.py PRESET_FOLDER OUT_FOLDER

Each word of a name becomes another one, always the same, in the logs of models and traces: `get_order_details` may be
called `rifebaho_tulopaye_sagiduwu`. The systems that were called keep their paths and fields, so no name of a tool has a
word in common with what it does there. truth.csv and truth_links.csv hold as they are.
"""

import hashlib, json, os, re, shutil, sys

base, out = sys.argv[1], sys.argv[2]
MODELS = ("openai_chat.jsonl", "anthropic_messages.jsonl", "otel_genai.jsonl")
MESSAGES = ("gen_ai.input.messages", "gen_ai.output.messages")
SYLLABLES = "ba ko ri tu me sa lo ni fe du pa gi zo wu ha ye".split()


def opaque(name):
    word = lambda text: "".join(SYLLABLES[byte % 16] for byte in hashlib.sha1(text.encode()).digest()[:4])
    return "_".join(map(word, name.split("_")))


def read(text):
    try:
        return json.loads(text)
    except ValueError:  # Captured contents may be cut.
        return None


def renamed(arguments):
    if isinstance(arguments, str):
        known = read(arguments)
        return arguments if known is None else json.dumps(renamed(known))
    return {opaque(key): value for key, value in arguments.items()} if isinstance(arguments, dict) else arguments


def walk(value, tools):
    """Renames arguments, and gathers the names of tools."""
    if isinstance(value, list):
        for one in value:
            walk(one, tools)
    if not isinstance(value, dict):
        return
    called = value.get("function") if isinstance(value.get("function"), dict) else value
    if called is not value or value.get("type") in ("tool_use", "tool_call"):
        tools.add(called.get("name"))
        for key in ("arguments", "input"):
            if key in called:
                called[key] = renamed(called[key])
    text = value.get("value", {}).get("stringValue") if isinstance(value.get("value"), dict) else None
    if value.get("key") == "gen_ai.tool.name":
        tools.add(text)
    elif value.get("key") == "gen_ai.tool.call.arguments":
        value["value"]["stringValue"] = renamed(text)
    elif value.get("key") in MESSAGES and (messages := read(text)) is not None:
        walk(messages, tools)
        value["value"]["stringValue"] = json.dumps(messages)
    for one in value.values():
        walk(one, tools)


os.makedirs(out + "/logs", exist_ok=True)
tools, logs = set(), {}
for name in os.listdir(base + "/logs"):
    if name in MODELS:
        logs[name] = [json.loads(line) for line in open(f"{base}/logs/{name}")]
        walk(logs[name], tools)
    else:
        shutil.copyfile(f"{base}/logs/{name}", f"{out}/logs/{name}")
# Names of one word may be words of a text as well.
names = sorted((name for name in tools if name and "_" in name), key=len, reverse=True)
named = re.compile(r'(?<=["\s])(' + "|".join(map(re.escape, names)) + r')(?=["\\])')
for name, records in logs.items():
    with open(f"{out}/logs/{name}", "w") as file:
        for record in records:
            text = json.dumps(record, separators=(",", ":"))
            file.write(named.sub(lambda found: opaque(found[1]), text) + "\n")
for name in ("truth.csv", "truth_links.csv"):
    shutil.copyfile(f"{base}/{name}", f"{out}/{name}")
