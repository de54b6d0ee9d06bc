#!/usr/bin/env python3
"""A preset of the labelled stitching data without some of its logs, as where a system keeps none.

    python3 benches/unlogged.py PRESET_FOLDER OUT_FOLDER FILE...

truth.csv and truth_links.csv are written without the records of those files: what they caused has no cause to be found.
"""

import csv, os, shutil, sys

base, out, gone = sys.argv[1], sys.argv[2], set(sys.argv[3:])
os.makedirs(out + "/logs", exist_ok=True)
for name in os.listdir(base + "/logs"):
    if name not in gone:
        shutil.copyfile(f"{base}/logs/{name}", f"{out}/logs/{name}")
for name in ("truth.csv", "truth_links.csv"):
    with open(f"{base}/{name}") as truth, open(f"{out}/{name}", "w", newline="") as file:
        rows = csv.DictReader(truth)
        writer = csv.DictWriter(file, rows.fieldnames, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in rows if gone.isdisjoint(row.values()))
