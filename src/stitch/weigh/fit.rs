//! How many of their values a call and an action share. A cause that passes one value of an action mostly passes all that
//! calls of its kind pass: the same order changed to another address is another call's doing.

use super::*;

/// Steps that a share is counted in.
const STEPS: usize = 8;
/// Most bits against a call of whose values few agree.
const MOST: f64 = 6.0;

/// The share of the action's values that the call passes, and of the call's that the action has, by their bits; in steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Fit([u8; 2]);

/// How often which share was seen, of each side.
#[derive(Default)]
struct Counts {
    all: f64,
    of_step: [[f64; STEPS + 1]; 2],
}

impl Counts {
    fn add(&mut self, fit: Fit, share: f64) {
        self.all += share;
        for (steps, step) in self.of_step.iter_mut().zip(fit.0) {
            steps[usize::from(step)] += share;
        }
    }

    /// How many there are, and how many of them have as small a share, of one side; the pair itself left out.
    fn as_few(&self, side: usize, fit: Fit, own: f64) -> (f64, f64) {
        let few: f64 = self.of_step[side][..=usize::from(fit.0[side])].iter().sum();
        ((self.all - own).max(0.0), (few - own).max(0.0))
    }
}

/// What was learned of shares, by tool and route, and by formats.
#[derive(Default)]
pub(super) struct Fits {
    by_tool: HashMap<(u32, u32), Counts>,
    by_format: HashMap<(u32, u32), Counts>,
}

impl Fits {
    pub(super) fn forget(&mut self) {
        self.by_tool.clear();
        self.by_format.clear();
    }

    pub(super) fn learn(&mut self, call: &Call, action: &Action, fit: Fit, share: f64) {
        let of_tool = self.by_tool.entry((call.tool, action.route));
        of_tool.or_default().add(fit, share);
        let of_format = self.by_format.entry((call.format, action.format));
        of_format.or_default().add(fit, share);
    }

    /// Bits against a call: how seldom a cause shares so few values, beside what shares one of them by chance, of which
    /// each step is held to be as frequent. Laplace's rule for the formats, and their share for a route of which little
    /// is known.
    pub(super) fn bits(&self, call: &Call, action: &Action, fit: Fit, own: f64) -> f64 {
        let of_tool = self.by_tool.get(&(call.tool, action.route));
        let of_format = self.by_format.get(&(call.format, action.format));
        let of_side = |side: usize| {
            let few = |counts: Option<&Counts>| {
                counts.map_or((0.0, 0.0), |counts| counts.as_few(side, fit, own))
            };
            let (all, as_few) = few(of_format);
            let usual = (as_few + 1.0) / (all + 1.0);
            let (all, as_few) = few(of_tool);
            let share = (as_few + usual * 2.0) / (all + 2.0);
            #[allow(clippy::cast_precision_loss)] // A few.
            let by_chance = f64::from(fit.0[side] + 1) / (STEPS + 1) as f64;
            (share / by_chance).log2().min(0.0)
        };
        (of_side(0) + of_side(1)).max(-MOST)
    }
}

impl Model<'_> {
    /// How many of their values that tell something a call and an action share.
    pub(super) fn fit(&self, call: &Call, action: &Action) -> Fit {
        let of_route = |token: u32| match call.is_relayed() {
            true => action.words.contains(&token),
            false => action.body == Some(token),
        };
        let share = |values: &Values, others: &Values| {
            let (mut all, mut shared) = (0.0, 0.0);
            for token in values.iter().filter(|token| !of_route(*token)) {
                let bits = self.call_bits(token);
                if bits >= TELLING {
                    all += bits;
                    shared += if others.contains(token) { bits } else { 0.0 };
                }
            }
            step(all, shared)
        };
        Fit([
            share(&action.tokens, &call.tokens),
            share(&call.tokens, &action.tokens),
        ])
    }
}

/// The step of a share; where there is nothing to share, all of it is.
fn step(all: f64, shared: f64) -> u8 {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )] // From nothing to STEPS.
    match all > 0.0 {
        true => (shared / all * STEPS as f64).round() as u8,
        false => STEPS as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(tool: u32) -> Call {
        Call {
            number: 0,
            event: 0,
            root: 0,
            by_model: true,
            thinks: false,
            time: 0,
            since: 0,
            until: 0,
            format: 1,
            tool,
            tokens: Values::default(),
            silent: false,
            result: None,
            service: 0,
        }
    }

    #[test]
    fn few_values_speak_against_a_call_where_causes_share_most_of_them() {
        let (usual, other) = (call(1), call(2));
        let action = Action::default();
        let (full, few) = (Fit([8, 7]), Fit([3, 2]));
        let mut fits = Fits::default();
        // Of nothing that was learned nothing follows.
        assert_eq!(fits.bits(&usual, &action, few, 0.0), 0.0);
        for _ in 0..40 {
            fits.learn(&usual, &action, full, 1.0);
        }
        assert_eq!(fits.bits(&usual, &action, full, 0.0), 0.0);
        let against = fits.bits(&usual, &action, few, 0.0);
        assert_eq!(against, -MOST);
        // A tool of which nothing is known is held to be as others of its format are.
        assert!(fits.bits(&other, &action, few, 0.0) < -2.0);
        // Where causes share few values, few say nothing; a pair does not speak for itself.
        let mut fits = Fits::default();
        for _ in 0..40 {
            fits.learn(&usual, &action, few, 1.0);
        }
        assert_eq!(fits.bits(&usual, &action, few, 0.0), 0.0);
        let mut fits = Fits::default();
        fits.learn(&usual, &action, few, 1.0);
        for _ in 0..40 {
            fits.learn(&usual, &action, full, 1.0);
        }
        let (with, without) = (
            fits.bits(&usual, &action, few, 0.0),
            fits.bits(&usual, &action, few, 1.0),
        );
        assert!(without <= with && without < -3.0, "{with} {without}");
        fits.forget();
        assert_eq!(fits.bits(&usual, &action, few, 0.0), 0.0);
    }

    #[test]
    fn shares_are_counted_in_steps() {
        assert_eq!(step(0.0, 0.0), 8);
        assert_eq!(step(10.0, 0.0), 0);
        assert_eq!(step(10.0, 5.0), 4);
        assert_eq!(step(10.0, 10.0), 8);
    }
}
