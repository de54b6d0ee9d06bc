//! How alike the name of a tool is to what was done: `create_service_request` to `POST /ServiceRequest`. Many tools are
//! named after the operation they call. How much that says is learned: how often likely pairs are alike, over how
//! often any tool and any action are.

use super::*;

/// Nothing in common, and words in common that say little, more, and much.
const LEVELS: usize = 4;
/// Pairs for which what chance gives stands, before anything is learned.
const CHANCE: f64 = 4.0;
/// Least share of chance, where no two were alike.
const LEAST: f64 = 1e-3;

/// Routes that are held against all tools.
const MOST_ROUTES: usize = 2000;

/// What is known of likeness.
#[derive(Default)]
pub(super) struct Likeness {
    /// Words of tools and routes by their numbers, each with the bits that it says, in their order.
    words: HashMap<u32, Vec<(u32, f64)>>,
    /// Shares of the levels by chance, and what was learned.
    chance: [f64; LEVELS],
    learned: [f64; LEVELS],
}

/// Words of a name, in small letters and in the singular: of `getOrder_details` get, order, detail. Parts with digits
/// are values or versions.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    for part in name.split(|c: char| !c.is_alphanumeric()) {
        if part.bytes().any(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let mut word = String::new();
        let mut before_small = false;
        for letter in part.chars() {
            if letter.is_uppercase() && before_small {
                words.push(std::mem::take(&mut word));
            }
            before_small = letter.is_lowercase();
            word.extend(letter.to_lowercase());
        }
        words.push(word);
    }
    for word in &mut words {
        if word.len() > 3 && word.ends_with('s') && !word.ends_with("ss") {
            word.pop();
        }
    }
    words.retain(|word| word.len() > 2);
    words.sort_unstable();
    words.dedup();
    words
}

impl Likeness {
    pub(super) fn new(facts: &Facts<'_>, calls: &[Call], actions: &[Action]) -> Self {
        let mut tools: BTreeMap<u32, f64> = BTreeMap::new();
        for call in calls.iter().filter(|call| call.by_model) {
            *tools.entry(call.tool).or_default() += 1.0;
        }
        let mut routes: BTreeMap<(u32, u32), f64> = BTreeMap::new();
        for action in actions {
            *routes.entry((action.format, action.route)).or_default() += 1.0;
        }
        // A word says as much as few tools have it.
        let mut numbers: HashMap<String, u32> = HashMap::new();
        let mut found: Vec<f64> = Vec::new();
        let mut words_of: HashMap<u32, Vec<u32>> = HashMap::new();
        for tool in tools.keys() {
            let of_tool = words(facts.name(*tool)).into_iter().map(|word| {
                let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                let number = *numbers.entry(word).or_insert(next);
                found.resize(numbers.len(), 0.0);
                found[number as usize] += 1.0;
                number
            });
            let of_tool = of_tool.collect();
            words_of.insert(*tool, of_tool);
        }
        #[allow(clippy::cast_precision_loss)] // Tools.
        let all = tools.len() as f64 + 1.0;
        for (_, route) in routes.keys() {
            // The first word is the format.
            let name = facts.name(*route).split_once(' ').map_or("", |name| name.1);
            let known = words(name)
                .into_iter()
                .filter_map(|word| numbers.get(&word).copied());
            words_of.insert(*route, known.collect());
        }
        let bits = |mut words: Vec<u32>| {
            words.sort_unstable();
            let words = words.into_iter();
            words
                .map(|word| (word, (all / found[word as usize]).log2()))
                .collect()
        };
        let words = words_of
            .into_iter()
            .map(|(name, words)| (name, bits(words)))
            .collect();
        let mut likeness = Self {
            words,
            ..Self::default()
        };
        let mut chance = [0.0; LEVELS];
        // Each so-many-th route shows what chance gives as well as all of them.
        let stride = routes.len().div_ceil(MOST_ROUTES).max(1);
        for ((_, route), times) in routes.iter().step_by(stride) {
            for (tool, calls) in &tools {
                chance[likeness.level(*tool, *route)] += times * calls;
            }
        }
        let sum: f64 = chance.iter().sum::<f64>().max(1.0);
        likeness.chance = chance.map(|count| (count / sum).max(LEAST));
        likeness
    }

    fn level(&self, tool: u32, route: u32) -> usize {
        let (Some(tool), Some(route)) = (self.words.get(&tool), self.words.get(&route)) else {
            return 0;
        };
        let is_shared = |word: u32| route.binary_search_by_key(&word, |known| known.0).is_ok();
        let shared: f64 = tool
            .iter()
            .filter(|word| is_shared(word.0))
            .map(|word| word.1)
            .sum();
        // Bits of the words that both have.
        match shared {
            0.0 => 0,
            shared if shared < 4.0 => 1,
            shared if shared < 7.0 => 2,
            _ => 3,
        }
    }

    pub(super) fn forget(&mut self) {
        self.learned = [0.0; LEVELS];
    }

    /// That a call of a model has probably caused an action.
    pub(super) fn learn(&mut self, call: &Call, action: &Action, share: f64) {
        if call.by_model {
            let level = self.level(call.tool, action.route);
            self.learned[level] += share;
        }
    }

    /// How many times as often as by chance a tool and an action that are so much alike belong together, without
    /// what the pair itself has taught.
    pub(super) fn ratio(&self, call: &Call, action: &Action, own: f64) -> f64 {
        match call.by_model {
            true => self.ratio_of(self.level(call.tool, action.route), own),
            false => 1.0,
        }
    }

    fn ratio_of(&self, level: usize, own: f64) -> f64 {
        let all: f64 = self.learned.iter().sum();
        if all == 0.0 {
            return 1.0;
        }
        let ratio = |at: usize| {
            let own = if at == level { own } else { 0.0 };
            let alike = (self.learned[at] - own).max(0.0);
            (alike + CHANCE * self.chance[at]) / ((all - own).max(0.0) + CHANCE) / self.chance[at]
        };
        // To be more alike does not speak against it.
        (0..=level).map(ratio).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_words() {
        assert_eq!(words("get_order_details"), ["detail", "get", "order"]);
        assert_eq!(
            words("GET /api/v2/SalesOrders/* A_SalesOrder"),
            ["api", "get", "order", "sale"]
        );
        assert_eq!(
            words("ServiceRequest__c process"),
            ["process", "request", "service"]
        );
        assert!(words("/v1/42").is_empty());
    }

    #[test]
    fn what_is_alike_in_rare_words_is_more_alike() {
        let mut likeness = Likeness::default();
        likeness.words.insert(1, vec![(0, 1.0), (1, 5.0), (2, 3.5)]);
        let routes = [
            vec![],
            vec![(0, 1.0)],
            vec![(0, 1.0), (1, 5.0)],
            vec![(1, 5.0), (2, 3.5)],
        ];
        for (level, words) in routes.into_iter().enumerate() {
            likeness.words.insert(2, words);
            assert_eq!(likeness.level(1, 2), level);
        }
        assert_eq!(likeness.level(1, 9), 0);
    }

    #[test]
    fn likeness_says_what_was_learned_and_more_of_it_never_less() {
        let mut likeness = Likeness {
            chance: [0.9, 0.07, 0.02, 0.01],
            ..Likeness::default()
        };
        assert!((likeness.ratio_of(3, 0.0) - 1.0).abs() < 1e-9);
        likeness.learned = [40.0, 4.0, 50.0, 2.0];
        let ratios = [0, 1, 2, 3].map(|level| likeness.ratio_of(level, 0.0));
        assert!(ratios[0] < 0.5 && ratios[2] > 20.0, "{ratios:?}");
        assert!(ratios.is_sorted(), "{ratios:?}");
        // What a pair has taught does not speak for it.
        likeness.learned = [10.0, 0.0, 1.0, 0.0];
        assert!(likeness.ratio_of(2, 1.0) < likeness.ratio_of(2, 0.0));
    }
}
