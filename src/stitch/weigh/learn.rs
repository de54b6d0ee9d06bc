//! What likely pairs teach: which tools cause what on which routes, and whose work has causes.

use super::*;

impl Model<'_> {
    /// Requests whose cause is known can be the cause of what a system behind them did.
    pub(super) fn place_requests(&mut self, chosen: &[Option<Choice>]) {
        let mut root_of: HashMap<u32, u32> = HashMap::new();
        for (action, choice) in self.actions.iter().zip(chosen) {
            if action.settled {
                continue;
            }
            let root = choice.map_or(NONE, |choice| self.calls[choice.call].root);
            root_of.extend(action.events.iter().map(|event| (*event, root)));
        }
        for call in &mut self.calls {
            if let Some(root) = root_of.get(&call.event) {
                call.root = *root;
            }
        }
        self.group_calls();
    }

    /// Which call probably caused which action, with the likelihood.
    pub(super) fn expected(&self, chosen: &[Option<Choice>]) -> Vec<(usize, usize, f64)> {
        let mut pairs = Vec::new();
        // More lessons than that teach nothing new. The actions are in the order of their ids, which is
        // by chance, so each so-many-th is a fair sample.
        let settled = self.actions.iter().filter(|action| action.settled).count();
        let stride = settled.div_ceil(MOST_LESSONS).max(1);
        let placed = chosen.iter().flatten().count();
        let stride_placed = placed.div_ceil(MOST_LESSONS).max(1);
        let within = self.of_each(|action| {
            let choice = chosen.get(action.number).copied().flatten();
            let root = match choice.map(|choice| &self.calls[choice.call]) {
                Some(call) if call.by_model => return Vec::new(),
                Some(call) if action.number % stride_placed == 0 => call.root,
                Some(_) => return Vec::new(),
                None if action.settled && action.number % stride == 0 => action.root,
                None => return Vec::new(),
            };
            self.shares_within(action, root)
        });
        for (number, (choice, within)) in chosen.iter().zip(within).enumerate() {
            pairs.extend(choice.map(|choice| (choice.call, number, 1.0)));
            pairs.extend(within.into_iter().map(|(share, at)| (at, number, share)));
        }
        pairs
    }

    /// How often a call of which tool causes an action on which route.
    pub(super) fn learn_routes(&mut self, pairs: &[(usize, usize, f64)]) {
        self.routes.clear();
        self.likeness.forget();
        self.agreeing.clear();
        self.formats_agreeing.clear();
        self.fits.forget();
        self.lessons.clear();
        self.lessons.resize_with(self.actions.len(), Vec::new);
        self.tool_counts.clear();
        self.route_counts.clear();
        self.classes.clear();
        self.class_counts.clear();
        for call in &self.calls {
            *self.tool_counts.entry(call.tool).or_default() += 1.0;
        }
        for (at, number, share) in pairs {
            let (tool, route) = (self.calls[*at].tool, self.actions[*number].route);
            let class = self.is_write(&self.actions[*number]);
            self.lessons[*number].push((*at, *share));
            *self.routes.entry((tool, route)).or_default() += share;
            let (call, action) = (&self.calls[*at], &self.actions[*number]);
            self.likeness.learn(call, action, *share);
            if action.tells(call) && !call.silent {
                let agrees = self.agrees(call, action);
                let formats = (call.format, action.format);
                let counts = self.formats_agreeing.entry(formats).or_default();
                counts.0 += share;
                let known = self.agreeing.entry((tool, route)).or_default();
                known.0 += share;
                if agrees {
                    counts.1 += share;
                    known.1 += share;
                    let fit = self.fit(call, action);
                    self.fits.learn(call, action, fit, *share);
                }
            }
            *self.route_counts.entry(route).or_default() += share;
            *self.classes.entry((tool, class)).or_default() += share;
            *self.class_counts.entry(class).or_default() += share;
        }
        for lessons in &mut self.lessons {
            lessons.sort_by_key(|lesson| lesson.0);
            lessons.dedup_by(|next, lesson| {
                let same = next.0 == lesson.0;
                lesson.1 += if same { next.1 } else { 0.0 };
                same
            });
        }
        for (at, request) in &self.relayed {
            let (tool, route) = (self.calls[*at].tool, self.calls[*request].tool);
            *self.routes.entry((tool, route)).or_default() += 1.0;
            *self.route_counts.entry(route).or_default() += 1.0;
        }
    }

    /// The share of each user's actions that have a cause.
    pub(super) fn learn_actors(&mut self, chosen: &[Option<Choice>]) {
        self.actors.clear();
        self.actors_of_format.clear();
        self.open_of_format.clear();
        self.caused = vec![false; self.actions.len()];
        for (action, choice) in self.actions.iter().zip(chosen) {
            let is_caused = action.settled || choice.is_some();
            self.caused[action.number] = is_caused;
            let caused = f64::from(u8::from(is_caused));
            let counts = self.actors.entry((action.format, action.who));
            let is_new = matches!(counts, std::collections::hash_map::Entry::Vacant(_));
            let counts = counts.or_default();
            *counts = (counts.0 + caused, counts.1 + 1.0 - caused);
            if !action.settled {
                let open = self.open_of_format.entry(action.format).or_default();
                *open = (open.0 + caused, open.1 + 1.0 - caused);
            }
            let sums = self.actors_of_format.entry(action.format).or_default();
            let prior = if is_new { 0.5 } else { 0.0 };
            *sums = (sums.0 + caused + prior, sums.1 + 1.0 - caused + prior);
        }
    }
}
