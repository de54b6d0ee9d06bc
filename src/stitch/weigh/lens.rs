//! One action held against many calls: what does not change between rounds is worked out once a pair, and
//! what depends on the kind of call once a kind.

use std::sync::PoisonError;

use super::fit::Fit;
use super::sizes::Wrapped;
use super::*;

/// What is said of a call and an action whatever is learned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    call: u32,
    /// The call's task when this was said.
    root: u32,
    /// Bits of the values that agree.
    values: f64,
    /// Whether the call passes a value of the action that tells something.
    telling: bool,
    /// Whether it names another object of the kind that the action was done to, or its task asked for other tools than
    /// the one that ran.
    names_other: bool,
    /// How many of their values they share.
    fit: Fit,
}

/// Bits by kind of call: of the tool on the action's route, and against a call of which nothing agrees.
#[derive(Clone, Copy)]
struct OfTool {
    tool: u32,
    format: u32,
    route: f64,
    disagreement: f64,
}

/// What the format of a call says: how its clock is off, and how answers of the action's service are wrapped.
#[derive(Clone, Copy)]
struct OfFormat {
    format: u32,
    offset: Offset,
    wrapped: Option<Wrapped>,
}

/// An action that calls are held against.
pub(super) struct Lens<'l, 'f> {
    model: &'l Model<'f>,
    action: &'l Action,
    writes: bool,
    lessons: &'l [(usize, f64)],
    /// Pairs known before, by call, and those that were looked at now.
    known: Vec<Pair>,
    new: Vec<Pair>,
    /// Behind the known pair that was asked for last: calls mostly come in the order of before.
    next: usize,
    tools: Vec<OfTool>,
    formats: Vec<OfFormat>,
    bits: Vec<f64>,
    /// The task that habits were asked for last, and their bits.
    of_root: (u32, f64),
}

impl<'l, 'f> Lens<'l, 'f> {
    pub(super) fn new(model: &'l Model<'f>, action: &'l Action) -> Self {
        let mut known = action.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let lessons = model.lessons.get(action.number);
        Self {
            model,
            action,
            writes: model.is_write(action),
            lessons: lessons.map_or(&[][..], Vec::as_slice),
            known: std::mem::take(&mut *known),
            new: Vec::new(),
            next: 0,
            tools: Vec::new(),
            formats: Vec::new(),
            bits: Vec::new(),
            of_root: (NONE, 0.0),
        }
    }

    /// Weight of a call as the cause of the action, in bits.
    pub(super) fn weight(&mut self, call: &Call) -> f64 {
        self.parts(call).iter().sum()
    }

    /// The same for a further step of a fragment. That a model's answers are followed by such runs of tools was said of
    /// the first one, whatever the tools are.
    pub(super) fn further_weight(&mut self, call: &Call) -> f64 {
        let parts = self.parts(call);
        let route = if call.thinks && !self.model.asked.is_on_record(call) {
            parts[2]
        } else {
            0.0
        };
        parts.iter().sum::<f64>() - route
    }

    /// Bits of the values that agree, and against the call of those that do not.
    pub(super) fn content(&mut self, call: &Call) -> f64 {
        let [agreeing, against, ..] = self.parts(call);
        agreeing + against
    }

    /// Bits against a call of whose values, or of the action's, fewer agree than is usual.
    fn against(&self, call: &Call, pair: Pair, of_tool: OfTool, own: f64) -> f64 {
        match (self.action.tells(call) && !call.silent, pair.telling) {
            (false, _) => 0.0,
            (true, false) => of_tool.disagreement,
            (true, true) => self.model.fits.bits(call, self.action, pair.fit, own),
        }
    }

    /// The parts of the weight: values that agree, those that do not, route, object, size, time and habits.
    pub(super) fn parts(&mut self, call: &Call) -> [f64; 7] {
        let pair = self.pair(call);
        let own = self.lesson(call);
        let of_tool = self.of_tool(call, own);
        let of_format = self.of_format(call.format);
        [
            pair.values,
            self.against(call, pair, of_tool, own),
            of_tool.route,
            if pair.names_other { -OTHER_OBJECT } else { 0.0 },
            self.size_weight(call, of_format, own),
            time_weight(call, self.action, of_format.offset),
            self.habit(call.root),
        ]
    }

    /// Bits of the habits of a call's task; calls of one task mostly come one after the other.
    fn habit(&mut self, root: u32) -> f64 {
        if self.of_root.0 != root {
            self.of_root = (root, self.model.habits.bits(self.action, root));
        }
        self.of_root.1
    }

    fn size_weight(&self, call: &Call, of_format: OfFormat, own: f64) -> f64 {
        let wrapped = of_format.wrapped.as_ref();
        wrapped.map_or(0.0, |wrapped| {
            self.model.size_weight(call, self.action, wrapped, own)
        })
    }

    /// What was learned from the pair itself.
    fn lesson(&self, call: &Call) -> f64 {
        let lessons = self.lessons;
        let at = lessons.binary_search_by_key(&call.number, |lesson| lesson.0);
        at.map_or(0.0, |at| lessons[at].1)
    }

    fn pair(&mut self, call: &Call) -> Pair {
        let number = u32::try_from(call.number).unwrap_or(u32::MAX);
        let is_next = self
            .known
            .get(self.next)
            .is_some_and(|pair| pair.call == number);
        let at = match is_next {
            true => Ok(self.next),
            false => self.known.binary_search_by_key(&number, |pair| pair.call),
        };
        if let Ok(at) = at {
            self.next = at + 1;
            let known = &mut self.known[at];
            if known.root != call.root {
                *known = self.model.pair(call, self.action, &mut self.bits);
            }
            return *known;
        }
        // The last one is often asked for again.
        if let Some(pair) = self.new.last().filter(|pair| pair.call == number) {
            return *pair;
        }
        let pair = self.model.pair(call, self.action, &mut self.bits);
        self.new.push(pair);
        pair
    }

    fn of_tool(&mut self, call: &Call, own: f64) -> OfTool {
        let make = |own| OfTool {
            tool: call.tool,
            format: call.format,
            route: self.model.route_weight(call, self.action, self.writes, own),
            disagreement: self.model.disagreement(call, self.action, own),
        };
        // A pair does not speak for itself: what it taught is left out for it alone.
        if own != 0.0 {
            return make(own);
        }
        let mut tools = self.tools.iter();
        if let Some(known) = tools.find(|of| of.tool == call.tool && of.format == call.format) {
            return *known;
        }
        let of_tool = make(0.0);
        self.tools.push(of_tool);
        of_tool
    }

    fn of_format(&mut self, format: u32) -> OfFormat {
        if let Some(known) = self.formats.iter().find(|known| known.format == format) {
            return *known;
        }
        let known = self.model.offsets.get(&(format, self.action.format));
        let of_format = OfFormat {
            format,
            offset: known
                .copied()
                .unwrap_or_else(|| Offset::unknown(self.model.drift)),
            wrapped: self.model.wrapped(format, self.action),
        };
        self.formats.push(of_format);
        of_format
    }
}

impl Drop for Lens<'_, '_> {
    /// Gives back what was worked out.
    fn drop(&mut self) {
        let mut known = std::mem::take(&mut self.known);
        if !self.new.is_empty() && known.len() < MOST_PAIRS {
            known.append(&mut self.new);
            known.sort_unstable_by_key(|pair| pair.call);
            known.dedup_by_key(|pair| pair.call);
        }
        let mut pairs = self
            .action
            .pairs
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *pairs = known;
    }
}

/// Pairs that are remembered of one action.
const MOST_PAIRS: usize = 512;

impl Model<'_> {
    /// What is said of a call and an action whatever is learned.
    fn pair(&self, call: &Call, action: &Action, bits: &mut Vec<f64>) -> Pair {
        bits.clear();
        let (mut telling, mut of_route) = (false, 0.0_f64);
        for token in action.tokens.iter() {
            if call.tokens.contains(token) {
                let of_token = self.call_bits(token);
                // The route of two requests is weighed by itself.
                if call.is_relayed() && action.words.contains(&token) {
                    of_route = of_route.max(of_token.min(SAME_ROUTE));
                    continue;
                }
                telling |= of_token >= TELLING;
                bits.push(of_token);
                continue;
            }
            let roots = self.roots_of_token.get(token);
            if roots.binary_search(&call.root).is_ok() {
                // Known in the conversation, not passed in the call.
                bits.push(evidence::rarity(self.roots, roots.len()) * 0.7);
            }
        }
        // Values of one record depend on each other: the rarest counts fully, the next ones less.
        bits.sort_by(|a, b| b.total_cmp(a));
        let shares = [1.0, 0.6, 0.4, 0.3, 0.25].into_iter();
        let shares = shares.chain(std::iter::repeat(0.2));
        let values = bits.iter().zip(shares).map(|(bits, share)| bits * share);
        Pair {
            call: u32::try_from(call.number).unwrap_or(u32::MAX),
            root: call.root,
            values: values.sum::<f64>() + of_route,
            telling,
            names_other: self.names_other(call, action) || self.is_other_tool(call, action),
            fit: match telling && action.tells(call) && !call.silent {
                true => self.fit(call, action),
                false => Fit::default(),
            },
        }
    }

    /// Whether the call passes a value that the action has, and that says something.
    pub(super) fn agrees(&self, call: &Call, action: &Action) -> bool {
        let shared = |token: &u32| call.tokens.contains(*token);
        let mut shared = action.tokens.iter().filter(shared);
        shared.any(|token| self.call_bits(token) >= TELLING)
    }

    /// Whether a call names an object of the kind that the action was done to, and not this one.
    fn names_other(&self, call: &Call, action: &Action) -> bool {
        let Some(object) = action
            .object
            .filter(|object| !call.tokens.contains(*object))
        else {
            return false;
        };
        let others = self.objects_of_route.get(&action.route);
        let is_other = |token: u32| token != object && others.is_some_and(|of| of.contains(&token));
        call.tokens.iter().any(is_other)
    }
}

/// Bits of the time between, under the clocks' offset.
fn time_weight(call: &Call, action: &Action, offset: Offset) -> f64 {
    #[allow(clippy::cast_precision_loss)] // Microseconds of minutes.
    let gap = (action.time - call.time) as f64;
    #[allow(clippy::cast_precision_loss)]
    let window = WINDOW as f64 * 2.0;
    let off = gap - offset.us;
    let side = if off < 0.0 {
        offset.before
    } else {
        offset.after
    };
    let peak = (-off.abs() / side).exp() / (offset.before + offset.after);
    // Of a call of a log that does not say when models answered, its tool ran at any time until the model was asked
    // again, mostly shortly before.
    #[allow(clippy::cast_precision_loss)]
    let unsaid = (call.time - call.since) as f64;
    let peak = if unsaid > 0.0 {
        let within = off > -unsaid - offset.before && off < offset.after;
        let any_time = 1.0 / (unsaid + offset.before + offset.after);
        (1.0 - UNSAID) * peak + UNSAID * any_time * f64::from(u8::from(within))
    } else {
        peak
    };
    // Retries, and clocks that were taken for more exact than they are.
    let wide = (4.0 * offset.spread()).max(AROUND);
    let around = (-off.abs() / wide).exp() / (2.0 * wide);
    // Some wait: for an approval, a queue, a retry.
    let tail = if off > 0.0 {
        (-off / WAIT).exp() / WAIT
    } else {
        0.0
    };
    // Two systems that a request passes see it at one time.
    let tail = match call.is_relayed() && action.is_request {
        true => tail * RELAYED,
        false => tail,
    };
    // What is done after the model has gone on is rare: something that was not waited for.
    #[allow(clippy::cast_precision_loss)]
    let late = off > call.until.saturating_sub(call.time) as f64 + 2.0 * offset.after;
    let tail = if late { tail * LATE } else { tail };
    let density = 0.73 * peak + 0.02 * around + 0.2 * tail;
    let weight = ((density + 0.05 / window) * window).log2();
    // What comes before its cause is none, beyond what the clocks leave open.
    if off < -unsaid - 4.0 * offset.before - 1e6 {
        weight - 4.0
    } else {
        weight
    }
}
