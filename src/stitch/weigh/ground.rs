//! What weighing takes from the whole store, once: who belongs together by ids, which values each record has, what
//! may be a cause, and what was done in other systems.

use super::lists::Lists;
use super::*;
use crate::model::evidence_value;
use crate::stitch::texts::Texts;

/// What there is to be weighed, of the whole store; models are made of parts of it.
pub(super) struct Ground<'f> {
    pub(super) facts: &'f Facts<'f>,
    /// The fragment of each event, by the number of one of its events.
    pub(super) roots: Vec<u32>,
    /// By that number, whether a model has a part in it.
    agent: Vec<bool>,
    /// Values that are evidence, and which of them each event has, as far as they were read.
    pub(super) names: Texts,
    pub(super) tokens: Lists,
    /// What may be a cause, by its time and id.
    pub(super) calls: Vec<(i64, u32)>,
    /// Calls of models in tasks: task, and place among `calls`.
    calls_of_root: Vec<(u32, u32)>,
    /// What was done elsewhere, by its time and the id of its first event, and the events of each.
    pub(super) deeds: Vec<(i64, u32)>,
    pub(super) events_of_deed: Lists,
    /// Events that a system has put on record as one change.
    pub(super) documented: Vec<bool>,
    /// Events of tasks that tell what is known in them, by their time and id.
    pub(super) known: Vec<(i64, u32)>,
    /// What keys tell beside.
    pub(super) told: ToldByKeys,
}

/// What keys tell of events, beside values that are evidence.
#[derive(Default)]
pub(super) struct ToldByKeys {
    /// Events that have the same id of a tool call, and such ids of each event.
    pub(super) events_of_id: Lists,
    pub(super) ids_of_event: Lists,
    /// Bytes of answers and of what calls gave back, by event.
    pub(super) sizes: HashMap<u32, i64>,
    pub(super) results: HashMap<u32, i64>,
    /// The address that each event came from, by number; 0 for none.
    addresses: Vec<u32>,
}

/// Sorts by time, and what is of one time by ids: the order of ingest does not show.
fn sort_by_time(all: &mut [(i64, u32)], id: impl Fn(u32) -> Digest) {
    // Exports are in the order of time, mostly: runs are merged.
    all.sort();
    for of_one_time in all.chunk_by_mut(|a, b| a.0 == b.0) {
        if of_one_time.len() > 1 {
            of_one_time.sort_unstable_by_key(|one| id(one.1));
        }
    }
}

impl Sight<'_> {
    fn keys(&self, kind: KeyKind) -> Result<Keys, StoreError> {
        Read::of_all(self.store, self.places).all(kind)
    }
}

impl<'f> Ground<'f> {
    /// All but the values.
    pub(super) fn read(sight: &Sight<'f>, components: &mut Components) -> Result<Self, StoreError> {
        let facts = sight.facts;
        let n = u32::try_from(facts.order.len()).unwrap_or(u32::MAX);
        let roots: Vec<u32> = (0..n).map(|event| components.find(event)).collect();
        let mut agent = vec![false; n as usize];
        for event in 0..n {
            let by_model = matches!(
                facts.kind(event),
                Kind::Inference | Kind::Instruction | Kind::Request
            );
            agent[roots[event as usize] as usize] |= by_model;
        }
        let mut ground = Self {
            facts,
            roots,
            agent,
            names: Texts::new(),
            tokens: Lists::default(),
            calls: Vec::new(),
            calls_of_root: Vec::new(),
            deeds: Vec::new(),
            events_of_deed: Lists::default(),
            documented: Vec::new(),
            known: Vec::new(),
            told: ToldByKeys::default(),
        };
        ground.find_calls();
        ground.told = std::thread::scope(|scope| {
            let told = scope.spawn(|| ToldByKeys::read(sight));
            ground.find_deeds(&sight.keys(KeyKind::Transaction)?);
            ground.find_known();
            match told.join() {
                Ok(told) => told,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })?;
        Ok(ground)
    }

    /// Reads the values of events: of those whose place is true, if not of all.
    pub(super) fn read_values(
        &mut self,
        store: &Store,
        places: &Places,
        wanted: Option<&[bool]>,
    ) -> Result<(), StoreError> {
        (self.names, self.tokens) = values::read(store, places, wanted)?;
        Ok(())
    }

    /// Whether an event is in a task that a model has a part in.
    pub(super) fn in_task(&self, event: u32) -> bool {
        self.agent[self.roots[event as usize] as usize]
    }

    /// The names in a route that are values of their requests too: tools are often called like them.
    pub(super) fn words_of_route(&self, route: u32) -> Vec<u32> {
        let name = self.facts.name(route);
        let words = name.split([' ', '/']).filter_map(evidence_value);
        words.filter_map(|word| self.names.find(&word)).collect()
    }

    fn find_calls(&mut self) {
        let facts = self.facts;
        for event in (0u32..).take(self.roots.len()) {
            // The run of a tool may be recorded apart from what asked for it: it is placed as requests are.
            let called = match facts.kind(event) {
                Kind::ToolCall => true,
                Kind::Inference => self.in_task(event),
                _ => facts.is_request(event as usize),
            };
            if let (true, Some(start)) = (called, facts.time(event)) {
                let end = match facts.kind(event) {
                    // Its tools run when it has answered.
                    Kind::Inference => facts.end(event),
                    _ => None,
                };
                self.calls.push((end.unwrap_or(start), event));
            }
        }
        sort_by_time(&mut self.calls, |event| facts.id(event));
        let by_model = (0u32..).zip(&self.calls).filter(|(_, (_, event))| {
            facts.kind(*event) == Kind::ToolCall && self.agent[self.roots[*event as usize] as usize]
        });
        self.calls_of_root = by_model
            .map(|(at, (_, event))| (self.roots[*event as usize], at))
            .collect();
        self.calls_of_root.sort_unstable();
    }

    /// The last so many calls of models in the task of an event before a time: their places among the calls.
    pub(super) fn calls_before(
        &self,
        event: u32,
        time: i64,
        most: usize,
    ) -> impl Iterator<Item = usize> + '_ {
        let root = self.roots[event as usize];
        let is_before = |at: &(u32, u32)| *at < (root, 0);
        let start = self.calls_of_root.partition_point(is_before);
        let end = self.calls_of_root.partition_point(|at| {
            *at < (root, 0) || at.0 == root && self.calls[at.1 as usize].0 < time
        });
        let calls = &self.calls_of_root[start..end];
        let last = &calls[calls.len().saturating_sub(most)..];
        last.iter().map(|(_, at)| *at as usize)
    }

    /// Everything done in other systems: each fragment without a model's part as one, and the changes inside of tasks
    /// one by one.
    fn find_deeds(&mut self, transactions: &Keys) {
        let facts = self.facts;
        let mut saved = vec![0u32; self.roots.len()];
        for (number, (_, group)) in (1u32..).zip(transactions.groups()) {
            for event in group {
                saved[*event as usize] = number;
            }
        }
        let mut rows: Vec<(u32, u32, u32)> = Vec::new();
        for (event, root) in (0u32..).zip(&self.roots) {
            let settled = self.agent[*root as usize];
            if settled && !facts.is_change(event as usize) {
                continue;
            }
            let group = match (settled, saved[event as usize]) {
                (false, _) => 0,
                (true, 0) => u32::MAX - event,
                (true, saved) => saved,
            };
            rows.push((*root, group, event));
        }
        self.documented = saved.into_iter().map(|saved| saved != 0).collect();
        rows.sort_unstable();
        let mut pairs: Vec<(u32, u32)> = Vec::with_capacity(rows.len());
        let mut first_of_deed: Vec<u32> = Vec::new();
        for group in rows.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let events = group.iter().map(|row| row.2);
            let first = events.clone().min_by(|a, b| facts.order.compare(*a, *b));
            let Some(first) = first else { continue };
            if let Some(time) = facts.time(first) {
                first_of_deed.push(first);
                let number = u32::try_from(self.deeds.len()).unwrap_or(u32::MAX);
                self.deeds.push((time, number));
                pairs.extend(events.map(|event| (number, event)));
            }
        }
        self.events_of_deed = Lists::of(self.deeds.len(), || pairs.iter().copied());
        sort_by_time(&mut self.deeds, |deed| {
            facts.id(first_of_deed[deed as usize])
        });
    }

    fn find_known(&mut self) {
        let facts = self.facts;
        let tells = |event: &u32| self.in_task(*event) && !facts.is_change(*event as usize);
        // What has no time is known from the beginning of its task on.
        let timeless = |event: &u32| facts.time(*event).is_none();
        let events = || (0u32..).take(self.roots.len());
        let mut first: HashMap<u32, i64> = events()
            .filter(|event| timeless(event) && tells(event))
            .map(|event| (self.roots[event as usize], i64::MAX))
            .collect();
        let dated = if first.is_empty() {
            0
        } else {
            self.roots.len()
        };
        for event in events().take(dated) {
            let time = facts.time(event);
            if let (Some(time), Some(least)) = (time, first.get_mut(&self.roots[event as usize])) {
                *least = time.min(*least);
            }
        }
        let time = |event: u32| match facts.time(event) {
            Some(time) => time,
            None => first[&self.roots[event as usize]],
        };
        let mut known: Vec<(i64, u32)> = events()
            .filter(tells)
            .map(|event| (time(event), event))
            .collect();
        sort_by_time(&mut known, |event| facts.id(event));
        self.known = known;
    }

    /// The address that an event came from, by number; 0 for none.
    pub(super) fn address(&self, event: u32) -> u32 {
        let addresses = &self.told.addresses;
        addresses.get(event as usize).copied().unwrap_or(0)
    }
}

impl ToldByKeys {
    /// Takes ids of tool calls, the sizes of results and answers, and addresses from the keys.
    fn read(sight: &Sight<'_>) -> Result<Self, StoreError> {
        let facts = sight.facts;
        let mut told = Self::default();
        for (size, group) in sight.keys(KeyKind::Size)?.groups() {
            if let Ok(size) = size.parse() {
                told.sizes.extend(group.iter().map(|event| (*event, size)));
            }
        }
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        let calls = sight.keys(KeyKind::ToolCall)?;
        for (number, (id, group)) in (0u32..).zip(calls.groups()) {
            pairs.extend(group.iter().map(|event| (number, *event)));
            if sight.apart.is_hub(KeyKind::ToolCall, id) {
                continue;
            }
            // Ids of calls recur, sometimes within a conversation: results that differ say nothing, nor do those of hubs.
            let results = group
                .iter()
                .filter(|event| facts.kind(**event) == Kind::ToolResult);
            let mut results = results.filter_map(|event| told.sizes.get(event).copied());
            let Some(size) = results.next() else { continue };
            if results.all(|other| other == size) {
                let calls = group
                    .iter()
                    .filter(|event| facts.kind(**event) == Kind::ToolCall);
                told.results.extend(calls.map(|event| (*event, size)));
            }
        }
        drop(calls);
        let ids = pairs.last().map_or(0, |pair| pair.0 as usize + 1);
        told.events_of_id = Lists::of(ids, || pairs.iter().copied());
        let back = || pairs.iter().map(|(id, event)| (*event, *id));
        told.ids_of_event = Lists::of(sight.places.len(), back);
        let keys = sight.keys(KeyKind::Address)?;
        if !keys.is_empty() {
            told.addresses = vec![0; sight.places.len()];
        }
        for (number, (_, group)) in (1u32..).zip(keys.groups()) {
            for event in group {
                told.addresses[*event as usize] = number;
            }
        }
        Ok(told)
    }
}
