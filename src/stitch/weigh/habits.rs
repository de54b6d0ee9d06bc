//! What the work of one task has in common though it passes no value: the address it comes from, and the user it is done
//! as. A host serves many tasks and a user does many, but one task seldom changes them. How faithful tasks are to theirs is
//! learned from what is placed; a log in which they are not gives nothing.

use super::*;

/// What is looked at: the address, of all kinds of record together, and the user, of one kind of record.
const KINDS: usize = 2;
/// Placed work from which faithfulness is learned, at least.
const LEAST: usize = 8;
/// The greatest faithfulness that is believed.
const MOST: f64 = 0.9;
/// Most bits of one habit.
const MOST_FOR: f64 = 5.0;

/// Habits of tasks, as far as they are known.
#[derive(Default)]
pub(super) struct Habits {
    /// Address and user of each action; 0 for none.
    of_action: Vec<[u32; KINDS]>,
    /// How many actions of a kind of record have each, and any.
    usual: HashMap<(usize, u32, u32), f64>,
    all: HashMap<(usize, u32), f64>,
    /// The same of each task, by what is placed in it.
    found: HashMap<(u32, usize, u32, u32), f64>,
    totals: HashMap<(u32, usize, u32), f64>,
    /// The task that each action was counted in.
    placed: Vec<u32>,
    /// The share of work that is of its task's own, and not like any other, by kind of record.
    faith: HashMap<(usize, u32), f64>,
}

/// Which records of a task are held against each other: users are told in the words of each system.
fn group(kind: usize, format: u32) -> u32 {
    if kind == 0 { 0 } else { format }
}

impl Habits {
    pub(super) fn new(ground: &Ground<'_>, actions: &[Action]) -> Self {
        let mut habits = Self {
            placed: vec![NONE; actions.len()],
            ..Self::default()
        };
        // Where ids have joined everything there is nothing to place.
        if actions.iter().all(|action| action.settled) {
            return habits;
        }
        for action in actions {
            let mut addresses = action.events.iter().map(|event| ground.address(*event));
            let own = [addresses.find(|of| *of != 0).unwrap_or(0), action.actor];
            for (kind, value) in own.iter().enumerate().filter(|(_, value)| **value != 0) {
                *habits
                    .usual
                    .entry((kind, action.format, *value))
                    .or_default() += 1.0;
                *habits.all.entry((kind, action.format)).or_default() += 1.0;
            }
            habits.of_action.push(own);
        }
        habits
    }

    /// How much of what else is placed in a task is like an action, and how much is usual; `None` where nothing is known.
    fn shares(&self, action: &Action, root: u32, kind: usize) -> Option<(f64, f64)> {
        let value = self.of_action.get(action.number)?[kind];
        if value == 0 || root == NONE {
            return None;
        }
        let group = group(kind, action.format);
        let own = f64::from(u8::from(self.placed[action.number] == root));
        let total = self.totals.get(&(root, kind, group))? - own;
        if total < 1.0 {
            return None;
        }
        let found = self.found.get(&(root, kind, group, value)).copied();
        let usual = self.usual.get(&(kind, action.format, value))?;
        let all = self.all.get(&(kind, action.format))?;
        Some((((found.unwrap_or(0.0) - own) / total).max(0.0), usual / all))
    }

    /// Bits for an action's being of a task.
    pub(super) fn bits(&self, action: &Action, root: u32) -> f64 {
        let of_kind = |kind: usize| {
            let faith = self.faith.get(&(kind, action.format))?;
            let (like, usual) = self.shares(action, root, kind)?;
            Some((faith * like / usual + 1.0 - faith).log2().min(MOST_FOR))
        };
        (0..KINDS).filter_map(of_kind).sum()
    }

    /// Learns from what is placed.
    fn learn(&mut self, actions: &[Action], roots: Vec<u32>, seeds: &[(u32, u32)]) {
        const STEPS: usize = 3;
        self.found.clear();
        self.totals.clear();
        self.placed = roots;
        for (root, address) in seeds {
            *self.found.entry((*root, 0, 0, *address)).or_default() += 1.0;
            *self.totals.entry((*root, 0, 0)).or_default() += 1.0;
        }
        for (action, root) in actions.iter().zip(&self.placed) {
            for (kind, value) in self.of_action[action.number].iter().enumerate() {
                if *value != 0 && *root != NONE {
                    let group = group(kind, action.format);
                    *self.found.entry((*root, kind, group, *value)).or_default() += 1.0;
                    *self.totals.entry((*root, kind, group)).or_default() += 1.0;
                }
            }
        }
        let mut known: BTreeMap<(usize, u32), Vec<(f64, f64)>> = BTreeMap::new();
        for (action, root) in actions.iter().zip(&self.placed) {
            for kind in 0..KINDS {
                if let Some(shares) = self.shares(action, *root, kind) {
                    known.entry((kind, action.format)).or_default().push(shares);
                }
            }
        }
        self.faith.clear();
        for (of, shares) in known {
            if shares.len() < LEAST {
                continue;
            }
            // Expectation and maximisation for a mixture: of the task's own, or like any other.
            let mut faith = 0.5;
            for _ in 0..STEPS {
                let own = shares.iter().map(|(like, usual)| {
                    let own = faith * like / usual;
                    own / (own + 1.0 - faith)
                });
                #[allow(clippy::cast_precision_loss)] // A count.
                let mean = own.sum::<f64>() / shares.len() as f64;
                faith = mean.min(MOST);
            }
            self.faith.insert(of, faith);
        }
    }
}

impl Model<'_> {
    /// What placed work tells of its tasks' habits.
    pub(super) fn learn_habits(&mut self, chosen: &[Option<Choice>]) {
        if self.habits.of_action.is_empty() {
            return;
        }
        let root = |action: &Action| match chosen.get(action.number).copied().flatten() {
            Some(choice) => self.calls[choice.call].root,
            None if action.settled => action.root,
            None => NONE,
        };
        let roots: Vec<u32> = self.actions.iter().map(root).collect();
        let by_model = self.calls.iter().filter(|call| !call.is_relayed());
        let seeds = by_model.map(|call| (call.root, self.ground.address(call.event)));
        let seeds: Vec<(u32, u32)> = seeds
            .filter(|(root, address)| *root != NONE && *address != 0)
            .collect();
        let mut habits = std::mem::take(&mut self.habits);
        habits.learn(&self.actions, roots, &seeds);
        self.habits = habits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(number: usize) -> Action {
        Action {
            number,
            format: 7,
            ..Action::default()
        }
    }

    /// What is learned of eight tasks with six requests each, `address` telling where each came from.
    fn learned(address: impl Fn(u32, u32) -> u32) -> (Habits, Vec<Action>) {
        let of = |task: u32| (0..6).map(move |request| (task, request));
        let all: Vec<(u32, u32)> = (0..8).flat_map(of).collect();
        let actions: Vec<Action> = (0..all.len()).map(action).collect();
        let mut habits = Habits::default();
        for (task, request) in &all {
            let address = address(*task, *request);
            *habits.usual.entry((0, 7, address)).or_default() += 1.0;
            *habits.all.entry((0, 7)).or_default() += 1.0;
            habits.of_action.push([address, 0]);
        }
        let roots = all.iter().map(|(task, _)| *task).collect();
        habits.learn(&actions, roots, &[]);
        (habits, actions)
    }

    #[test]
    fn a_task_that_keeps_its_address_is_told_by_it() {
        // Two tasks a host.
        let (habits, actions) = learned(|task, _| 1 + task / 2);
        let (own, same_host, other) = (
            habits.bits(&actions[0], 0),
            habits.bits(&actions[0], 1),
            habits.bits(&actions[0], 7),
        );
        assert!(
            own > 1.5 && (own - same_host).abs() < 1e-9,
            "{own} {same_host}"
        );
        assert!(other < -2.0, "{other}");
        assert!(habits.bits(&actions[0], NONE).abs() < 1e-9);
        // What a request itself has shown of its task does not speak for it.
        let (habits, actions) = learned(|task, request| {
            if task == 0 && request == 0 {
                9
            } else {
                1 + task / 2
            }
        });
        assert!(habits.bits(&actions[0], 0) < -2.0);
    }

    #[test]
    fn addresses_by_chance_and_one_address_for_all_say_nothing() {
        for address in [|_, request| 1 + request % 3, |_, _| 1] {
            let (habits, actions) = learned(address);
            for root in 0..8 {
                let bits = habits.bits(&actions[0], root);
                assert!(bits.abs() < 0.5, "{bits}");
            }
        }
    }

    #[test]
    fn little_teaches_nothing() {
        let mut habits = Habits {
            of_action: vec![[1, 0]; 2],
            ..Habits::default()
        };
        habits.usual.insert((0, 7, 1), 2.0);
        habits.all.insert((0, 7), 2.0);
        let actions = [action(0), action(1)];
        habits.learn(&actions, vec![0, 0], &[]);
        assert!(habits.bits(&actions[0], 0).abs() < 1e-9);
    }
}
