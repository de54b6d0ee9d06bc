//! OCEL 2.0 as a SQLite file (specification 2.0, section 6): made from the JSON form, line by line.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use rusqlite::{Connection, Transaction, params, params_from_iter};
use serde_json::Value;

use super::ExportError;

/// What can go wrong with the library.
impl From<rusqlite::Error> for ExportError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Io(std::io::Error::other(error.to_string()))
    }
}

/// Name of a type's table, and its attributes, by the type.
type Types = BTreeMap<String, (String, Vec<String>)>;

/// Writes the log in `json` (as `trail` writes it: an event or object a line) to a new SQLite file.
///
/// # Errors
/// A file cannot be read or written.
pub fn ocel_sqlite(json: &Path, sqlite: &Path) -> Result<(), ExportError> {
    let (events, objects) = types(json)?;
    let mut connection = Connection::open(sqlite)?;
    let all = connection.transaction()?;
    all.execute_batch(
        "CREATE TABLE event_map_type (ocel_type TEXT PRIMARY KEY, ocel_type_map TEXT);
         CREATE TABLE object_map_type (ocel_type TEXT PRIMARY KEY, ocel_type_map TEXT);
         CREATE TABLE event (ocel_id TEXT PRIMARY KEY, ocel_type TEXT);
         CREATE TABLE object (ocel_id TEXT PRIMARY KEY, ocel_type TEXT);
         CREATE TABLE event_object (ocel_event_id TEXT, ocel_object_id TEXT, ocel_qualifier TEXT);
         CREATE TABLE object_object (ocel_source_id TEXT, ocel_target_id TEXT, ocel_qualifier TEXT);",
    )?;
    for (what, known, fixed) in [
        ("event", &events, "ocel_id TEXT, ocel_time TIMESTAMP"),
        (
            "object",
            &objects,
            "ocel_id TEXT, ocel_time TIMESTAMP, ocel_changed_field TEXT",
        ),
    ] {
        for (kind, (table, attributes)) in known {
            let insert = format!("INSERT INTO {what}_map_type VALUES (?1, ?2)");
            all.execute(&insert, params![kind, table])?;
            let columns: String = attributes
                .iter()
                .map(|name| format!(", {} TEXT", quoted(name)))
                .collect();
            let create = format!(
                "CREATE TABLE {} ({fixed}{columns})",
                quoted(&format!("{what}_{table}"))
            );
            all.execute(&create, [])?;
        }
    }
    lines(json, |is_event, value| {
        if is_event {
            event(&all, &events, value)
        } else {
            object(&all, &objects, value)
        }
    })?;
    all.commit()?;
    Ok(())
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Names come from logs: they are quoted wherever they are part of a statement.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\"").replace('\0', ""))
}

/// The types stand behind events and objects, in the last line.
fn types(json: &Path) -> Result<(Types, Types), ExportError> {
    let mut last = String::new();
    for line in BufReader::new(std::fs::File::open(json)?).lines() {
        let line = line?;
        if line.starts_with("],\"eventTypes\"") {
            last = line;
        }
    }
    let end = last.strip_prefix("],").unwrap_or_default();
    let value: Value = serde_json::from_str(&format!("{{{end}")).map_err(std::io::Error::other)?;
    let of = |name: &str| {
        let mut types = Types::new();
        for kind in value
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            // Tables of types are told apart by a number: letters of other scripts would be lost.
            let plain: String = text(kind, "name")
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
                .collect();
            let table = format!("{plain}_{}", types.len() + 1);
            let names = kind.get("attributes").and_then(Value::as_array);
            // SQLite tells names apart without case.
            let mut attributes: Vec<String> = Vec::new();
            for attribute in names.into_iter().flatten() {
                let name = text(attribute, "name").to_owned();
                if !attributes
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(&name))
                {
                    attributes.push(name);
                }
            }
            types.insert(text(kind, "name").to_owned(), (table, attributes));
        }
        types
    };
    Ok((of("eventTypes"), of("objectTypes")))
}

/// Calls `visit` with each event and object.
fn lines(
    json: &Path,
    mut visit: impl FnMut(bool, &Value) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut is_event = true;
    for line in BufReader::new(std::fs::File::open(json)?).lines() {
        let line = line?;
        if line.starts_with("],\"objects\"") {
            is_event = false;
        } else if line.starts_with("{\"") && !line.ends_with('[') {
            let value = line.strip_suffix(',').unwrap_or(&line);
            let value: Value = serde_json::from_str(value).map_err(std::io::Error::other)?;
            visit(is_event, &value)?;
        }
    }
    Ok(())
}

fn event(all: &Transaction<'_>, types: &Types, value: &Value) -> Result<(), ExportError> {
    let (id, kind) = (text(value, "id"), text(value, "type"));
    all.prepare_cached("INSERT OR IGNORE INTO event VALUES (?1, ?2)")?
        .execute(params![id, kind])?;
    let Some((table, attributes)) = types.get(kind) else {
        return Ok(());
    };
    let own = value.get("attributes").and_then(Value::as_array);
    let find = |name: &String| {
        let mut all = own.into_iter().flatten();
        let found = all.find(|one| text(one, "name").eq_ignore_ascii_case(name))?;
        Some(text(found, "value").to_owned())
    };
    let fixed = [Some(id.to_owned()), Some(text(value, "time").to_owned())];
    let cells: Vec<Option<String>> = fixed
        .into_iter()
        .chain(attributes.iter().map(find))
        .collect();
    insert(all, &format!("event_{table}"), &cells)?;
    relations(all, value, id)
}

fn relations(all: &Transaction<'_>, value: &Value, id: &str) -> Result<(), ExportError> {
    let list = value.get("relationships").and_then(Value::as_array);
    for one in list.into_iter().flatten() {
        all.prepare_cached("INSERT INTO event_object VALUES (?1, ?2, ?3)")?
            .execute(params![id, text(one, "objectId"), text(one, "qualifier")])?;
    }
    Ok(())
}

fn object(all: &Transaction<'_>, types: &Types, value: &Value) -> Result<(), ExportError> {
    let (id, kind) = (text(value, "id"), text(value, "type"));
    all.prepare_cached("INSERT OR IGNORE INTO object VALUES (?1, ?2)")?
        .execute(params![id, kind])?;
    let Some((table, attributes)) = types.get(kind) else {
        return Ok(());
    };
    let table = format!("object_{table}");
    // The first row of an object has no changed field; each change is a row of its own.
    let first = [
        Some(id.to_owned()),
        Some("1970-01-01T00:00:00Z".to_owned()),
        None,
    ];
    let cells: Vec<Option<String>> = first
        .into_iter()
        .chain(attributes.iter().map(|_| None))
        .collect();
    insert(all, &table, &cells)?;
    let changes = value.get("attributes").and_then(Value::as_array);
    for change in changes.into_iter().flatten() {
        let name = text(change, "name");
        let fixed = [
            Some(id.to_owned()),
            Some(text(change, "time").to_owned()),
            Some(name.to_owned()),
        ];
        let value = |column: &String| {
            column
                .eq_ignore_ascii_case(name)
                .then(|| text(change, "value").to_owned())
        };
        let cells: Vec<Option<String>> = fixed
            .into_iter()
            .chain(attributes.iter().map(value))
            .collect();
        insert(all, &table, &cells)?;
    }
    Ok(())
}

fn insert(all: &Transaction<'_>, table: &str, cells: &[Option<String>]) -> Result<(), ExportError> {
    let places: Vec<String> = (1..=cells.len()).map(|at| format!("?{at}")).collect();
    let statement = format!(
        "INSERT INTO {} VALUES ({})",
        quoted(table),
        places.join(", ")
    );
    all.prepare_cached(&statement)?
        .execute(params_from_iter(cells))?;
    Ok(())
}
