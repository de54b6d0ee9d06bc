//! Which selections of a policy each event fits.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};

use rsigma_eval::Engine;
use serde_json::Value;

use super::conditions::Condition;
use super::fields::Asked;
use super::record::{AsLogged, AsSigma, Record};
use super::rules::{Logic, Policy, Selection};
use crate::store::{
    Col, CustodyFile, EventRef, EventView, Store, StoreError, content_groups, scan_columns,
    scan_content_group, scan_part_columns, side_by_side,
};

/// The selections that each event fits, sorted.
#[derive(Default)]
pub(super) struct Hits {
    /// End of each event's selections.
    ends: Vec<u32>,
    list: Vec<Selection>,
}

impl Hits {
    pub(super) fn of(&self, event: u32) -> &[Selection] {
        let at = event as usize;
        let Some(end) = self.ends.get(at) else {
            return &[];
        };
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.list[start as usize..*end as usize]
    }

    fn push(&mut self, fits: &[Selection]) {
        self.list.extend_from_slice(fits);
        self.ends
            .push(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
    }

    fn append(&mut self, other: &Self) {
        let base = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.ends.extend(other.ends.iter().map(|end| end + base));
        self.list.extend_from_slice(&other.list);
    }
}

/// The selections that a record fits, sorted.
pub(super) fn selections_of(policy: &Policy, record: &dyn Record) -> Vec<Selection> {
    numbers(&policy.engine.evaluate(&AsSigma(record)))
}

fn numbers(results: &[rsigma_eval::EvaluationResult]) -> Vec<Selection> {
    let mut fits: Vec<Selection> = results
        .iter()
        .filter_map(|hit| hit.header.rule_id.as_deref()?.parse().ok())
        .collect();
    fits.sort_unstable();
    fits
}

/// Answers that are kept: events of one system repeat the values that rules ask for.
const MOST_KNOWN: usize = 100_000;

/// Classifies events, and remembers what it found for equal values.
struct Classifier<'p> {
    policy: &'p Policy,
    columns: Vec<(Col, &'p Asked)>,
    /// Fields that are made from columns: of an amount, a time, a list of changes.
    made: Vec<(&'p str, &'p Asked)>,
    attributes: HashMap<&'p str, &'p Asked>,
    known: HashMap<Vec<u8>, Arc<[Selection]>>,
    key: Vec<u8>,
}

impl<'p> Classifier<'p> {
    fn new(policy: &'p Policy) -> Self {
        let mut classifier = Self {
            policy,
            columns: Vec::new(),
            made: Vec::new(),
            attributes: HashMap::new(),
            known: HashMap::new(),
            key: Vec::new(),
        };
        for (field, asked) in &policy.fields {
            match Col::from_name(field) {
                Some(column) => classifier.columns.push((column, asked)),
                None if column_of(field) == "attributes" => {
                    classifier.attributes.insert(field, asked);
                }
                None => classifier.made.push((field, asked)),
            }
        }
        classifier
    }

    fn classify(&mut self, event: &EventView<'_>) -> Arc<[Selection]> {
        if self.policy.keywords {
            return selections_of(self.policy, event).into();
        }
        self.key.clear();
        let key = &mut self.key;
        for (column, asked) in &self.columns {
            asked.write(event.text(*column), key);
        }
        for (field, asked) in &self.made {
            asked.write(event.field(field).as_deref(), key);
        }
        // An event has few attributes, a policy may ask for many.
        for (name, value) in event.attributes() {
            if let Some(asked) = self.attributes.get(name) {
                Asked::Value.write(Some(name), key);
                asked.write(Some(value), key);
            }
        }
        if let Some(known) = self.known.get(&self.key) {
            return Arc::clone(known);
        }
        let fits: Arc<[Selection]> = selections_of(self.policy, event).into();
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        self.known.insert(self.key.clone(), Arc::clone(&fits));
        fits
    }
}

/// Which selections each event of the store fits, in the order of the events' numbers.
pub(super) fn select(store: &Store, policy: &Policy) -> Result<Hits, StoreError> {
    let parts = store.all_parts("events");
    if policy.selections == 0 {
        let events: u64 = parts
            .iter()
            .map(|(batch, path)| rows_of(store, *batch, path))
            .sum();
        let events = usize::try_from(events).unwrap_or(usize::MAX);
        return Ok(Hits {
            ends: vec![0; events],
            list: Vec::new(),
        });
    }
    let columns = columns_of(policy);
    let found = side_by_side::<_, _, StoreError>(&parts, |(batch, path)| {
        let mut hits = Hits::default();
        let mut classifier = Classifier::new(policy);
        scan_part_columns::<StoreError>(store, path, *batch, &columns, |table| {
            for row in 0..table.len() {
                hits.push(&classifier.classify(&table.view(row)));
            }
            Ok(())
        })?;
        Ok(hits)
    })?;
    let mut all = Hits::default();
    for hits in &found {
        all.append(hits);
    }
    Ok(all)
}

/// Rows of a part file, as its custody says.
fn rows_of(store: &Store, batch: usize, path: &std::path::Path) -> u64 {
    let tables = store.batches().get(batch).map(|custody| &custody.tables);
    let found = tables
        .into_iter()
        .flatten()
        .find(|table| store.layout().root.join(&table.path) == *path);
    found.map_or(0, |table| table.rows)
}

/// The columns that the fields of a policy's selections are in.
fn columns_of(policy: &Policy) -> Vec<&str> {
    if policy.keywords {
        let texts = Col::ALL.iter().map(|column| column.name());
        return texts.chain(["attributes"]).collect();
    }
    policy.fields.keys().map(|field| column_of(field)).collect()
}

/// The column that a field of a rule is in.
#[must_use]
pub fn column_of(field: &str) -> &str {
    match field {
        "hour" | "weekday" => "time",
        "changed_fields" => "changes",
        column @ ("amount" | "tokens_in" | "tokens_out" | "time") => column,
        name => Col::from_name(name).map_or("attributes", Col::name),
    }
}

/// All columns by which tasks are judged: of selections, of conditions, and of what is said of an event.
pub(super) fn columns_to_judge(policy: &Policy) -> Vec<&str> {
    let mut columns = columns_of(policy);
    columns.extend(["time", "amount", "attributes"]);
    columns.extend(["kind", "action", "object", "actor"]);
    for rule in &policy.rules {
        if let Logic::Task(task) = &rule.logic {
            let compared = task.conditions.iter().flat_map(Condition::fields);
            columns.extend(compared.chain(task.per.as_deref()).map(column_of));
        }
    }
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// A record that a public rule matches.
pub(super) struct RawHit {
    /// Place of the rule among the policy's.
    pub rule: usize,
    /// The first event of the record.
    pub place: EventRef,
    /// File and number of the record.
    pub record: (i32, i64),
}

/// Runs the rules over the records of their formats by the records' own names. Gives the hits, and the
/// places of the rules for which the store has no record.
pub(super) fn raw_hits(
    store: &Store,
    policy: &Policy,
) -> Result<(Vec<RawHit>, Vec<usize>), StoreError> {
    let rules: Vec<(usize, &super::rules::RawRule)> = policy
        .rules
        .iter()
        .enumerate()
        .filter_map(|(at, rule)| match &rule.logic {
            Logic::Raw(raw) => Some((at, raw)),
            _ => None,
        })
        .collect();
    if rules.is_empty() || !store.access().reads_contents() {
        return Ok((Vec::new(), Vec::new()));
    }
    // Rules by format: a file's records are held against those that are for it.
    let mut of_format: HashMap<&str, HashMap<Selection, usize>> = HashMap::new();
    for (at, raw) in &rules {
        for format in &raw.formats {
            let known = of_format.entry(format.as_str()).or_default();
            known.insert(raw.selection, *at);
        }
    }
    let mut judged = vec![false; policy.rules.len()];
    let mut hits = Vec::new();
    for (batch, custody) in store.batches().iter().enumerate() {
        let wanted: HashMap<i32, (&Engine, &HashMap<Selection, usize>)> = (0i32..)
            .zip(&custody.files)
            .filter(|(_, file)| file.records > 0)
            .filter_map(|(at, file)| {
                let engine = policy.raw_engines.get(&file.format)?;
                Some((at, (engine, of_format.get(file.format.as_str())?)))
            })
            .collect();
        if wanted.is_empty() {
            continue;
        }
        for rule in wanted.values().flat_map(|(_, rules)| rules.values()) {
            judged[*rule] = true;
        }
        let mut groups: Vec<(PathBuf, usize)> = Vec::new();
        for path in store.parts("contents", custody) {
            let count = content_groups(store, &path)?;
            groups.extend((0..count).map(|group| (path.clone(), group)));
        }
        let found = side_by_side(&groups, |(path, group)| {
            let mut found: Vec<(i32, i64, usize)> = Vec::new();
            scan_content_group(store, path, *group, |file, ordinal, bytes| {
                let Some((engine, rules)) = wanted.get(&file) else {
                    return;
                };
                let of = usize::try_from(file).ok();
                let of = of.and_then(|file| custody.files.get(file));
                let Some(json) = as_json(of, bytes) else {
                    return;
                };
                let logged = AsLogged {
                    json: rsigma_eval::JsonEvent::borrow(&json),
                };
                let selections = numbers(&engine.evaluate(&logged));
                let rules = selections
                    .iter()
                    .filter_map(|selection| rules.get(selection));
                found.extend(rules.map(|rule| (file, ordinal, *rule)));
            })?;
            Ok::<_, StoreError>(found)
        })?;
        let found: Vec<(i32, i64, usize)> = found.into_iter().flatten().collect();
        hits.extend(place(store, batch, &found)?);
    }
    let unjudged = rules
        .iter()
        .map(|(at, _)| *at)
        .filter(|at| !judged[*at])
        .collect();
    Ok((hits, unjudged))
}

/// A record as an object: JSON as it is, a row by the names of its columns. Where a column holds an object
/// itself (`AuditData` of Microsoft 365), its fields stand beside the columns.
pub(super) fn as_json(file: Option<&CustodyFile>, record: &[u8]) -> Option<Value> {
    let Some(columns) = file.and_then(|file| file.columns.as_ref()) else {
        return serde_json::from_slice(record).ok();
    };
    let (text, _) = crate::read::to_utf8(record);
    let row = crate::read::parse_row(&text, u8::try_from(columns.delimiter).ok()?).ok()?;
    let mut fields = serde_json::Map::new();
    for (at, name) in columns.names.iter().enumerate() {
        let Some(value) = row.get(at).filter(|value| !value.is_empty()) else {
            continue;
        };
        if value.starts_with('{')
            && let Ok(Value::Object(inner)) = serde_json::from_str(value)
        {
            for (name, value) in inner {
                fields.entry(name).or_insert(value);
            }
        }
        fields.insert(name.clone(), value.into());
    }
    Some(Value::Object(fields))
}

/// Finds the first events of records.
fn place(
    store: &Store,
    batch: usize,
    found: &[(i32, i64, usize)],
) -> Result<Vec<RawHit>, StoreError> {
    let mut rows: HashMap<(i32, i64), Option<i64>> = found
        .iter()
        .map(|(file, ordinal, _)| ((*file, *ordinal), None))
        .collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    for path in store
        .batches()
        .get(batch)
        .map(|custody| store.parts("events", custody))
        .unwrap_or_default()
    {
        let columns = ["row", "file", "ordinal", "part"];
        scan_columns::<StoreError>(&path, Some(&columns), |table| {
            let places = table.column(0).as_primitive::<Int64Type>();
            let files = table.column(1).as_primitive::<Int32Type>();
            let ordinals = table.column(2).as_primitive::<Int64Type>();
            let parts = table.column(3).as_primitive::<Int32Type>();
            for row in 0..table.num_rows() {
                if parts.value(row) == 0
                    && let Some(slot) = rows.get_mut(&(files.value(row), ordinals.value(row)))
                {
                    *slot = Some(places.value(row));
                }
            }
            Ok(())
        })?;
    }
    let hit = |(file, ordinal, rule): &(i32, i64, usize)| {
        let row = (*rows.get(&(*file, *ordinal))?)?;
        Some(RawHit {
            rule: *rule,
            place: EventRef { batch, row },
            record: (*file, *ordinal),
        })
    };
    Ok(found.iter().filter_map(hit).collect())
}
