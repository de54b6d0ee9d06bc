#!/usr/bin/env python3
"""What general record linkage makes of the same records: Splink (pip install splink pandas) in the place of weighed evidence.

    python3 benches/splink_compare.py STORE FRAGMENTS_CSV TASKS_CSV [THRESHOLD]

FRAGMENTS_CSV is what ids alone join: `trail export tasks` of a store with `threshold = 0.999999999` in `[stitch]`. Splink
links each fragment without a model's part to the likeliest call of a model or tool, its single best link at THRESHOLD
(0.9). TASKS_CSV is written in the same form. It is given what trail weighs: the values of the keys, the rarest of them with its term
frequency, and the time between; parameters by random pairs and by expectation and maximisation, in two passes with
different blocking. It knows nothing of clocks, routes, users, sizes, or that a call does a thing once.
"""

import collections, csv, glob, json, logging, sys

import duckdb
import pandas as pd
import splink.comparison_library as cl
from splink.internals.exceptions import EMTrainingException
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

store, fragments, out = sys.argv[1:4]
threshold = float(sys.argv[4]) if len(sys.argv) > 4 else 0.9
EVIDENCE = "value invoice order customer case account document object user".split()
FREQUENT = 200
db = duckdb.connect()
files = {}
for path in glob.glob(f"{store}/custody/*.json"):
    custody = json.load(open(path))
    files[custody["batch"]] = [file["path"].rsplit("/", 1)[-1] for file in custody["files"]]
def rows(table, columns, condition=""):
    of = f"read_parquet('{store}/{table}/*/part-*.parquet', hive_partitioning = true, hive_types = {{'batch': VARCHAR}})"
    return db.sql(f"SELECT {columns} FROM {of} {condition}").fetchall()


events = rows("events", "batch, row, hex(event_id), file, ordinal, kind, epoch(time)")
keys = rows("keys", "batch, row, kind, value", f"WHERE kind IN {tuple(EVIDENCE)}")
fragment_of = {
    (row["file"].rsplit("/", 1)[-1], int(row["record"])): row["task"] for row in csv.DictReader(open(fragments))
}
values = collections.defaultdict(set)
for batch, row, _, value in keys:
    values[batch, row].add(value.rsplit("/", 1)[-1])
often = collections.Counter(value for of_event in values.values() for value in of_event)
fragment = lambda e: fragment_of[files[e[0]][e[3]], e[4]]
with_model = {fragment(e) for e in events if e[5] in ("inference", "instruction", "request")}
calls, actions = [], {}
root_of_call = {}
for one in events:
    batch, row, event, _, _, kind, time = one
    root = fragment(one)
    own = {value for value in values[batch, row] if often[value] <= FREQUENT}
    if root in with_model:
        if kind in ("tool_call", "inference") and time is not None:
            calls.append((event, time, own))
            root_of_call[event] = root
    elif time is not None:
        first, union = actions.get(root, (time, set()))
        actions[root] = (min(first, time), union | own)


def table(rows):
    rarest = lambda own: min(own, key=lambda value: (often[value], value), default=None)
    frame = [(i, t, sorted(own), rarest(own), int(t // 30)) for i, t, own in rows]
    return pd.DataFrame(frame, columns=["unique_id", "t", "vals", "rare", "bucket"])


left = table(calls)
right = table([(root, time, own) for root, (time, own) in actions.items()])
logging.getLogger("splink").setLevel(logging.ERROR)
api = DuckDBAPI()
gap = "abs(t_l - t_r)"
between = cl.CustomComparison(
    output_column_name="t",
    comparison_levels=[
        {"sql_condition": "t_l IS NULL OR t_r IS NULL", "label_for_charts": "none", "is_null_level": True},
        *[{"sql_condition": f"{gap} <= {s}", "label_for_charts": f"{s} s"} for s in (2, 10, 60, 200)],
        {"sql_condition": "ELSE", "label_for_charts": "more"},
    ],
)
settings = SettingsCreator(
    link_type="link_only",
    comparisons=[
        cl.ArrayIntersectAtSizes("vals", [5, 3, 2, 1]),
        cl.ExactMatch("rare").configure(term_frequency_adjustments=True),
        between,
    ],
    blocking_rules_to_generate_predictions=[
        block_on("vals", arrays_to_explode=["vals"]),
        block_on("bucket"),
    ],
)


def single_best_links():
    linker = Linker(
        [api.register(left, dataset_display_name="calls"), api.register(right, dataset_display_name="actions")],
        settings,
        log_level=40,
    )
    linker.training.estimate_probability_two_random_records_match([block_on("rare")], recall=0.6)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for rule in ("rare", "bucket"):
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(rule))
    pairs = linker.inference.predict(threshold_match_probability=threshold).as_pandas_dataframe()
    best = {}
    for row in pairs.itertuples():
        one, other = (row.unique_id_l, row.unique_id_r)
        call, action = (one, other) if row.source_dataset_l == "calls" else (other, one)
        rank = (row.match_weight, call)
        if action not in best or rank > best[action]:
            best[action] = rank
    return best


try:
    best = single_best_links() if len(right) else {}
except (EMTrainingException, ValueError) as error:
    # Where ids join nearly everything, too few pairs agree to learn from.
    best = {}
    print(f"Splink could not be trained: {str(error).splitlines()[0]}", file=sys.stderr)
task_of = {action: root_of_call[call] for action, (_, call) in best.items()}
with open(out, "w", newline="") as handle:
    writer = csv.writer(handle)
    writer.writerow(["file", "record", "task"])
    for (file, record), root in sorted(fragment_of.items()):
        writer.writerow([file, record, task_of.get(root, root)])
print(f"{len(left)} calls, {len(right)} fragments, {len(best)} linked", file=sys.stderr)
