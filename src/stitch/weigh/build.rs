//! A model of a cell, before anything is weighed in it.

use super::actions::actions;
use super::*;
use crate::model::is_body_size;

impl<'f> Model<'f> {
    pub(super) fn build(ground: &'f Ground<'f>, cell: &Cell, left: &'f AtomicUsize) -> Self {
        let facts = ground.facts;
        // Numbers of this cell for values, in the order of their texts, and tasks, in the order in which they come.
        let of_calls = cell.calls.iter().map(|(_, event)| event);
        let of_all = of_calls.chain(cell.deeds.iter().flat_map(|deed| &deed.events));
        let values = of_all.flat_map(|event| ground.tokens.get(*event));
        let values = Renumbered::of(&ground.names, values.copied());
        let mut tasks: HashMap<u32, u32> = HashMap::new();
        let mut task = |event: u32| {
            let next = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
            *tasks.entry(ground.roots[event as usize]).or_insert(next)
        };
        let calls: Vec<Call> = cell
            .calls
            .iter()
            .copied()
            .enumerate()
            .map(|(number, (time, event))| {
                let passed = ground.tokens.get(event);
                Call {
                    number,
                    event,
                    by_model: facts.kind(event) == Kind::ToolCall,
                    thinks: facts.kind(event) == Kind::Inference,
                    root: if ground.in_task(event) {
                        task(event)
                    } else {
                        NONE
                    },
                    time,
                    since: time,
                    until: i64::MAX,
                    format: facts.formats[event as usize],
                    tool: if facts.kind(event) == Kind::ToolCall {
                        facts.tools[event as usize]
                    } else {
                        // Routes and tools are numbered alike: they never share a number.
                        facts.routes[event as usize]
                    },
                    silent: {
                        let tool = facts.name(facts.tools[event as usize]);
                        let name = evidence_value(tool).and_then(|name| ground.names.find(&name));
                        passed.iter().all(|token| name == Some(*token))
                    },
                    tokens: passed
                        .iter()
                        .filter_map(|token| values.find(*token))
                        .collect(),
                    result: None,
                    service: 0,
                }
            })
            .collect();
        let mut actions = actions(ground, &cell.deeds, &mut task, &values);
        let object_of = |event: u32| {
            let number = facts.objects[event as usize].checked_sub(1)?;
            let name = facts.object_names.get(number as usize)?;
            values.find(ground.names.find(name)?)
        };
        for action in &mut actions {
            action.each(|one| {
                one.object = one.events.iter().find_map(|event| object_of(*event));
            });
        }
        let roots_of_token: Vec<(u32, u32)> = cell
            .known
            .iter()
            .flat_map(|event| {
                let root = task(*event);
                let tokens = ground.tokens.get(*event).iter();
                tokens
                    .filter_map(|token| values.find(*token))
                    .map(move |token| (token, root))
            })
            .collect();
        let mut model = Self {
            ground,
            facts,
            left,
            calls_of_token: Lists::default(),
            roots_of_token: Lists::of(values.len(), || roots_of_token.iter().copied()),
            bits_of_token: Vec::new(),
            calls_of_root: HashMap::new(),
            by_time: (0..calls.len()).collect(),
            by_format: BTreeMap::new(),
            times: Vec::new(),
            call_formats: calls.iter().map(|call| call.format).collect(),
            calls,
            actions,
            values,
            roots: 0,
            relayed: Vec::new(),
            action_of_call: Vec::new(),
            same_deed: HashMap::new(),
            classes: HashMap::new(),
            class_counts: HashMap::new(),
            shown: BTreeMap::new(),
            offsets: HashMap::new(),
            drift: UNKNOWN,
            few: BTreeMap::new(),
            routes: HashMap::new(),
            likeness: Likeness::default(),
            asked: Asked::default(),
            habits: Habits::default(),
            lessons: Vec::new(),
            agreeing: HashMap::new(),
            formats_agreeing: HashMap::new(),
            fits: Fits::default(),
            tool_counts: HashMap::new(),
            route_counts: HashMap::new(),
            objects_of_route: HashMap::new(),
            actors: HashMap::new(),
            actors_of_format: HashMap::new(),
            open_of_format: HashMap::new(),
            caused: Vec::new(),
            wrappings: HashMap::new(),
            wrapped_routes: HashMap::new(),
            calls_of_result: HashMap::new(),
            results: 0,
        };
        model.prepare();
        model
    }

    /// Works out what does not change between rounds.
    fn prepare(&mut self) {
        self.group_calls();
        let calls = &self.calls;
        self.calls_of_token = Lists::of(self.values.len(), || {
            (0u32..).zip(calls).flat_map(|(at, call)| {
                let tokens = call.tokens.iter();
                tokens.map(move |token| (token, at))
            })
        });
        let all = self.calls.len();
        self.bits_of_token = self
            .calls_of_token
            .iter()
            .map(|calls| evidence::rarity(all, calls.len()))
            .collect();
        let bits_of_token = &self.bits_of_token;
        let mut words_of_route: HashMap<u32, Vec<u32>> = HashMap::new();
        for action in &mut self.actions {
            action.each(|one| {
                let tells = |token: &u32| bits_of_token[*token as usize] >= TELLING;
                let is_body = |token: &u32| {
                    let value = self.values.value(*token);
                    value.is_some_and(|value| is_body_size(self.ground.names.get(value)))
                };
                one.body = one.tokens.iter().find(is_body);
                let mut of_models = one.tokens.iter().filter(|token| one.body != Some(*token));
                one.telling = of_models.any(|token| tells(&token));
                if one.is_request {
                    let words = words_of_route.entry(one.route).or_insert_with(|| {
                        let words = self.ground.words_of_route(one.route).into_iter();
                        words.filter_map(|word| self.values.find(word)).collect()
                    });
                    one.words = words.clone();
                }
                let mut beside = one.tokens.iter().filter(|token| !one.words.contains(token));
                one.telling_beside_route = beside.any(|token| tells(&token));
            });
        }
        self.bound_calls();
        for action in &self.actions {
            if let Some(object) = action.object {
                let known = self.objects_of_route.entry(action.route).or_default();
                known.insert(object);
            }
        }
        self.roots = self.calls_of_root.len();
        let times: Vec<i64> = self.calls.iter().map(|call| call.time).collect();
        self.by_time.sort_by_key(|at| times[*at]);
        for at in &self.by_time {
            let Call { format, thinks, .. } = self.calls[*at];
            let of_format = self.by_format.entry((format, thinks)).or_default();
            of_format.push((times[*at], *at));
        }
        self.times = self.actions.iter().map(|action| action.time).collect();
        self.times.sort_unstable();
        let priors: Vec<f64> = self
            .actions
            .iter()
            .map(|one| self.prior(one.time))
            .collect();
        for (action, prior) in self.actions.iter_mut().zip(priors) {
            action.prior = prior;
        }
        self.habits = Habits::new(self.ground, &self.actions);
        self.likeness = Likeness::new(self.facts, &self.calls, &self.actions);
        self.asked = Asked::new(self.facts, &self.calls, &self.actions);
        self.name_calls();
        self.take_sizes();
        self.pair_deeds();
    }
}
