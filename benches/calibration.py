#!/usr/bin/env python3
"""How far told likelihoods hold: of the links by evidence, by how sure they were told, how many join records of one true task.

    python3 benches/calibration.py STORE PRESET_FOLDER [STORE PRESET_FOLDER …]

Each store holds the logs of its preset; `trail stitch` has run on it. Needs DuckDB (pip install duckdb).
"""

import csv, glob, json, os, sys

import duckdb

BOUNDS = [0.0, 0.8, 0.9, 0.95, 0.99, 1.01]
told = []
for store, preset in zip(sys.argv[1::2], sys.argv[2::2]):
    truth = {(r["file"], int(r["record"])): r["task"] for r in csv.DictReader(open(preset + "/truth.csv"))}
    files = {}
    for path in glob.glob(store + "/custody/*.json"):
        batch = json.load(open(path))
        for number, file in enumerate(batch["files"]):
            files[batch["batch"], number] = os.path.basename(file["path"])
    rows = duckdb.sql(
        f"""SELECT l.probability, c.batch, c.file, c.ordinal, e.batch, e.file, e.ordinal
        FROM '{store}/links/*.parquet' l
        JOIN read_parquet('{store}/events/*/*.parquet', hive_partitioning = true) c ON c.event_id = l.cause
        JOIN read_parquet('{store}/events/*/*.parquet', hive_partitioning = true) e ON e.event_id = l.effect
        WHERE l.rule = 'weighed'"""
    ).fetchall()
    for probability, *ends in rows:
        cause, effect = (truth.get((files[batch, file], record)) for batch, file, record in (ends[:3], ends[3:]))
        told.append((probability, cause is not None and cause == effect))
print("| told | links | told on average | right |\n| --- | --- | --- | --- |")
for low, high in zip(BOUNDS, BOUNDS[1:]):
    some = [one for one in told if low <= one[0] < high]
    if some:
        mean = sum(p for p, _ in some) / len(some)
        right = sum(r for _, r in some) / len(some)
        print(f"| {low:.2f} to {min(high, 1):.2f} | {len(some)} | {mean:.3f} | {right:.3f} |")
