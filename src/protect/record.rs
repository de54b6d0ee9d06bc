//! Puts pseudonyms in the place of people, in a record and in what was made of it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use super::Pseudonyms;
use super::pseudonym::pseudonyms_in;
use crate::model::{ActorType, Event, KeyKind, is_pseudonym, normalise_key};
use crate::normalise::names::kind_of_name;
use crate::normalise::{Personal, find_personal, is_name_field};
use crate::read::{Header, Row};

/// A pseudonym and what it stands for.
pub type VaultRow = (String, Vec<u8>);

/// Protects the records of a chunk.
pub struct Protector<'p> {
    names: &'p Pseudonyms,
    /// What was put aside, each once.
    vault: HashSet<VaultRow>,
}

/// A value that this record names as personal.
struct Known {
    value: Vec<u8>,
    kind: Personal,
}

/// Attributes that hold what people wrote.
const WRITTEN: &[&str] = &[
    "body",
    "comment",
    "description",
    "message",
    "note",
    "query",
    "reason",
    "search",
    "statement",
    "subject",
    "text",
    "title",
    "user_agent",
];
/// A text with so many blanks is a sentence.
const SENTENCE: usize = 4;
/// Shorter values are found in too many places that do not mean them.
const SHORTEST: usize = 3;

impl<'p> Protector<'p> {
    /// With the pseudonyms of a store.
    #[must_use]
    pub fn new(names: &'p Pseudonyms) -> Self {
        Self {
            names,
            vault: HashSet::new(),
        }
    }

    /// What was put aside.
    #[must_use]
    pub fn into_vault(self) -> Vec<VaultRow> {
        self.vault.into_iter().collect()
    }

    /// Protects the events of a record, and gives the record as it is to be stored.
    pub fn record(
        &mut self,
        bytes: &[u8],
        row: Option<(&Header, &Row)>,
        events: &mut [Event<'_>],
    ) -> Vec<u8> {
        let known = known_values(bytes, row, events);
        for event in events {
            self.event(event, &known);
        }
        self.replaced(bytes, &known)
            .unwrap_or_else(|| bytes.to_vec())
    }

    /// Protects a single event, of which there is no record.
    pub fn lone_event(&mut self, event: &mut Event<'_>) {
        let known = known_values(b"", None, std::slice::from_ref(event));
        self.event(event, &known);
    }

    /// Protects a text that belongs to no record.
    #[must_use]
    pub fn text<'t>(&mut self, text: &'t str) -> Cow<'t, str> {
        self.replaced(text.as_bytes(), &[])
            .map_or(Cow::Borrowed(text), |bytes| Cow::Owned(lossy(bytes)))
    }

    fn name(&mut self, kind: Personal, value: &[u8]) -> String {
        match std::str::from_utf8(value) {
            Ok(text) => {
                let name = self.names.of(kind, text);
                self.vault.insert((name.clone(), value.to_vec()));
                name
            }
            Err(_) => {
                // Bytes of an older encoding: they have their own spelling beside that of their text.
                let (text, _) = crate::read::to_utf8(value);
                let (name, _) = self.names.of_all_spellings(kind, &text);
                let bytes: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
                let spelled = self.names.of(Personal::Literal, &bytes);
                let tail = spelled.rsplit('-').next().unwrap_or_default();
                let name = format!("{name}-{}", &tail[..tail.len().min(8)]);
                self.vault.insert((name.clone(), value.to_vec()));
                name
            }
        }
    }

    fn replaced(&mut self, text: &[u8], known: &[Known]) -> Option<Vec<u8>> {
        let mut places: Vec<(Range<usize>, Personal)> = Vec::new();
        find_personal(text, |at, kind| places.push((at, kind)));
        places.extend(pseudonyms_in(text).map(|at| (at, Personal::Literal)));
        for one in known {
            let found = memchr::memmem::find_iter(text, &one.value);
            let ranges = found.map(|at| at..at + one.value.len());
            places.extend(
                ranges
                    .filter(|at| is_bounded(text, at))
                    .map(|at| (at, one.kind)),
            );
        }
        if places.is_empty() {
            return None;
        }
        places.sort_by_key(|(at, _)| (at.start, usize::MAX - at.end));
        let mut out = Vec::with_capacity(text.len() + places.len() * 16);
        let mut at = 0;
        let mut places = places.into_iter().peekable();
        while let Some((mut place, kind)) = places.next() {
            // What overlaps is one value: nothing of the second may be left over.
            while let Some((next, _)) = places.next_if(|(next, _)| next.start < place.end) {
                place.end = place.end.max(next.end);
            }
            out.extend_from_slice(&text[at..place.start]);
            let name = self.name(kind, &text[place.clone()]);
            out.extend_from_slice(name.as_bytes());
            at = place.end;
        }
        out.extend_from_slice(&text[at..]);
        Some(out)
    }

    fn event(&mut self, event: &mut Event<'_>, known: &[Known]) {
        let human = !matches!(
            event.actor.kind,
            Some(ActorType::Agent | ActorType::Service)
        );
        if human {
            self.whole(Personal::Person, &mut event.actor.id);
        }
        self.whole(Personal::Person, &mut event.actor.on_behalf_of);
        for change in &mut event.changes {
            let named = is_name_field(&change.field) || change.field.eq_ignore_ascii_case("name");
            for value in [&mut change.before, &mut change.after] {
                if named {
                    self.whole(Personal::Name, value);
                } else if value.as_deref().is_some_and(is_sentence) {
                    self.whole(Personal::Text, value);
                }
            }
        }
        for (name, value) in &mut event.attributes {
            let written = |text: &str| {
                let last = name.rsplit(['.', '_']).next().unwrap_or_default();
                WRITTEN.contains(&last) || is_sentence(text)
            };
            let kind = if is_name_field(name) {
                Personal::Name
            } else if written(value) {
                Personal::Text
            } else {
                continue;
            };
            let mut whole = Some(std::mem::take(value));
            self.whole(kind, &mut whole);
            *value = whole.unwrap_or_default();
        }
        let Event {
            actor,
            action,
            object,
            changes,
            error,
            knowledge_source,
            agent,
            conversation,
            attributes,
            notes,
            contents,
            ..
        } = event;
        let texts = [
            &mut actor.id,
            &mut actor.on_behalf_of,
            action,
            &mut object.kind,
            &mut object.id,
            error,
            knowledge_source,
            agent,
            conversation,
        ];
        let of_changes = changes
            .iter_mut()
            .flat_map(|change| [&mut change.before, &mut change.after]);
        let whole = texts.into_iter().chain(of_changes).flatten();
        let parts = attributes.iter_mut().map(|(_, value)| value);
        let texts = contents.iter_mut().map(|(_, value)| value);
        for text in whole.chain(parts).chain(notes.iter_mut()).chain(texts) {
            if !is_pseudonym(text)
                && let Some(bytes) = self.replaced(text.as_bytes(), known)
            {
                *text = Cow::Owned(lossy(bytes));
            }
        }
        for (kind, value) in &mut event.keys {
            self.key(*kind, value, known);
        }
    }

    fn key(&mut self, kind: KeyKind, value: &mut Cow<'_, str>, known: &[Known]) {
        let Some(personal) = kind_of_key(kind) else {
            if kind == KeyKind::Value {
                if let Some(normal) = normalise_key(kind, value) {
                    // Only ever compared: what it stands for is not put aside.
                    *value = Cow::Owned(self.names.of(Personal::Value, &normal));
                }
            } else if let Some(bytes) = self.replaced(value.as_bytes(), known) {
                *value = Cow::Owned(lossy(bytes));
            }
            return;
        };
        if normalise_key(kind, value).is_some() {
            let (name, normal) = self.names.of_all_spellings(personal, value.trim());
            self.vault
                .insert((name.clone(), normal.as_bytes().to_vec()));
            *value = Cow::Owned(name);
        }
    }

    fn whole(&mut self, kind: Personal, value: &mut Option<Cow<'_, str>>) {
        if let Some(text) = value
            && !text.trim().is_empty()
            && !is_pseudonym(text)
        {
            *text = Cow::Owned(self.name(kind, text.as_bytes()));
        }
    }
}

/// Pseudonyms are ASCII and replace whole characters, so this changes nothing of a text.
fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn is_sentence(text: &str) -> bool {
    text.split_whitespace().count() > SENTENCE
}

/// What kind of personal datum keys of that kind are, if they are one.
pub(super) fn kind_of_key(kind: KeyKind) -> Option<Personal> {
    match kind {
        KeyKind::User => Some(Personal::Person),
        KeyKind::Customer => Some(Personal::Customer),
        KeyKind::Address => Some(Personal::Address),
        _ => None,
    }
}

/// Whether a place is no part of a longer word.
fn is_bounded(text: &[u8], at: &Range<usize>) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80;
    let before = at
        .start
        .checked_sub(1)
        .is_some_and(|before| word(text[before]));
    let after = text.get(at.end).is_some_and(|byte| word(*byte));
    !before && !after
}

fn known_values(bytes: &[u8], row: Option<(&Header, &Row)>, events: &[Event<'_>]) -> Vec<Known> {
    let mut values: Vec<(String, Personal)> = Vec::new();
    let mut structure: HashSet<&str> = HashSet::new();
    for event in events {
        let actor = &event.actor;
        let human = !matches!(actor.kind, Some(ActorType::Agent | ActorType::Service));
        let people = [
            actor.id.as_ref().filter(|_| human),
            actor.on_behalf_of.as_ref(),
        ];
        values.extend(
            people
                .into_iter()
                .flatten()
                .map(|v| (v.to_string(), Personal::Person)),
        );
        if let (Some(kind), Some(id)) = (&event.object.kind, &event.object.id)
            && kind_of_name(kind) == Some(KeyKind::Customer)
        {
            values.push((id.to_string(), Personal::Customer));
        }
        for (kind, value) in &event.keys {
            match kind_of_key(*kind) {
                Some(personal) => values.push((value.trim().to_owned(), personal)),
                None if !matches!(kind, KeyKind::Value | KeyKind::Size | KeyKind::Clock) => {
                    structure.insert(value.trim());
                }
                None => {}
            }
        }
        for change in &event.changes {
            if is_name_field(&change.field) || change.field.eq_ignore_ascii_case("name") {
                let both = [&change.before, &change.after].into_iter().flatten();
                values.extend(both.map(|v| (v.to_string(), Personal::Name)));
            }
        }
        for (name, value) in &event.attributes {
            if is_name_field(name) {
                values.push((value.to_string(), Personal::Name));
            }
        }
    }
    find_personal(bytes, |at, kind| {
        if kind == Personal::Name {
            let (text, _) = crate::read::to_utf8(&bytes[at]);
            values.push((text.into_owned(), kind));
        }
    });
    if let Some((header, row)) = row {
        for (at, name) in header.names.iter().enumerate() {
            if let Some(value) = row.get(at).filter(|_| is_name_field(name)) {
                values.push((value.to_owned(), Personal::Name));
            }
        }
    }
    // A number that names a document as well stays one: without it nothing could be found.
    values
        .retain(|(value, _)| value.trim().len() >= SHORTEST && !structure.contains(value.as_str()));
    let is_utf8 = std::str::from_utf8(bytes).is_ok();
    let mut known: Vec<Known> = Vec::new();
    for (value, kind) in values {
        let escaped = serde_json::to_string(&value).unwrap_or_default();
        let escaped = escaped.trim_matches('"');
        let mut forms = vec![value.as_bytes().to_vec()];
        if escaped != value {
            forms.push(escaped.as_bytes().to_vec());
        }
        if !is_utf8 && !value.is_ascii() {
            forms.push(encoding_rs::WINDOWS_1252.encode(&value).0.into_owned());
        }
        for value in forms {
            if !known.iter().any(|one| one.value == value) {
                known.push(Known { value, kind });
            }
        }
    }
    known
}
