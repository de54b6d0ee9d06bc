//! Which tools the models of a task were seen to ask for. What ran without having been asked for there belongs to another
//! task: of two that worked for one customer at one time, the one whose calls are on record is not the one that a run of a
//! tool is of whose call is not.

use super::*;

/// The tools that the log of each task's models tells of.
#[derive(Default)]
pub(super) struct Asked {
    /// Numbers of names, by the number of a tool.
    names: HashMap<u32, u32>,
    /// Names and calls of each task and format.
    of_root: HashMap<(u32, u32), Vec<(u32, usize)>>,
    /// Names that a format tells of, and formats of calls and of runs most of whose names are the same.
    known: BTreeSet<(u32, u32)>,
    comparable: BTreeSet<(u32, u32)>,
}

/// A tool's name without that of its server: `mcp__crm__get_order` and `crm.get_order` are `get_order`.
fn bare(name: &str) -> String {
    let name = name.rsplit(['.', '/', ':']).next().unwrap_or(name);
    let name = name.rsplit_once("__").map_or(name, |(_, bare)| bare);
    name.to_lowercase()
}

/// The tool that ran.
fn tool_of(facts: &Facts<'_>, action: &Action) -> u32 {
    let first = action.events.first();
    first.map_or(0, |event| facts.tools[*event as usize])
}

impl Asked {
    pub(super) fn new(facts: &Facts<'_>, calls: &[Call], actions: &[Action]) -> Self {
        let mut asked = Self::default();
        let runs = actions.iter().filter(|action| action.is_tool);
        let runs: Vec<&Action> = runs
            .flat_map(|action| std::iter::once(action).chain(&action.steps))
            .collect();
        if runs.is_empty() {
            return asked;
        }
        let mut numbers: HashMap<String, u32> = HashMap::new();
        let mut of_calls: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for call in calls.iter().filter(|call| call.by_model) {
            if let Some(name) = asked.name(facts, call.tool, &mut numbers) {
                let of_root = asked.of_root.entry((call.root, call.format));
                of_root.or_default().push((name, call.number));
                of_calls.entry(call.format).or_default().insert(name);
                asked.known.insert((call.format, name));
            }
        }
        let mut of_runs: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for run in runs {
            if let Some(name) = asked.name(facts, tool_of(facts, run), &mut numbers) {
                of_runs.entry(run.format).or_default().insert(name);
            }
        }
        for (of_call, known) in &of_calls {
            for (of_run, names) in &of_runs {
                if names.intersection(known).count() * 2 >= names.len() {
                    asked.comparable.insert((*of_call, *of_run));
                }
            }
        }
        asked
    }

    /// The number of a tool's name; `None` for no tool.
    fn name(
        &mut self,
        facts: &Facts<'_>,
        tool: u32,
        numbers: &mut HashMap<String, u32>,
    ) -> Option<u32> {
        let name = self.names.entry(tool).or_insert_with(|| {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            *numbers.entry(bare(facts.name(tool))).or_insert(next)
        });
        (tool != 0).then_some(*name)
    }

    /// Whether the log that tells of a model's answer tells of tools that its task asked for.
    pub(super) fn is_on_record(&self, call: &Call) -> bool {
        self.of_root.contains_key(&(call.root, call.format))
    }
}

impl Model<'_> {
    /// Whether the log that tells of a model's answer tells of tools that its task asked for, and what ran is none of
    /// them: no call of that name passed any of its values.
    pub(super) fn is_other_tool(&self, call: &Call, action: &Action) -> bool {
        if !(call.thinks && action.is_tool) {
            return false;
        }
        let asked = self.asked.of_root.get(&(call.root, call.format));
        let name = self.asked.names.get(&tool_of(self.facts, action));
        let (Some(asked), Some(name)) = (asked, name) else {
            return false;
        };
        let formats = (call.format, action.format);
        let is_told = self.asked.comparable.contains(&formats)
            || self.asked.known.contains(&(formats.0, *name));
        let is_same = |at: usize| {
            let call = &self.calls[at];
            call.silent || !action.telling || self.agrees(call, action)
        };
        is_told && !asked.iter().any(|call| call.0 == *name && is_same(call.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_known_by_its_name_whatever_server_it_is_on() {
        for name in [
            "get_order",
            "mcp__crm__get_order",
            "crm.get_order",
            "Get_Order",
            "server/get_order",
        ] {
            assert_eq!(bare(name), "get_order");
        }
    }
}
