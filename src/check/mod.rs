//! Rules over single events (Sigma) and over whole tasks (templates of Declare).
//!
//! What a task rule means:
//! - `precedence`: each event that fits `when` needs an earlier one in its task that fits `what`.
//! - `response`: each event that fits `when` needs a later one in its task that fits `what`.
//! - `absence`: no event may fit `what`; with `after`, only behind one that fits that; with `with`,
//!   only beside one that fits that; `unless_before` (an event before the `after` event) and
//!   `unless_between` (one between the two) excuse it.
//!
//! `conditions` must hold between the two events. A value that is not logged makes a condition not
//! hold. A rule whose kinds of events (`needs`) the store has none of is *not evaluable*: silence is
//! not compliance.

mod conditions;
mod judge;
mod rules;
mod sigma;

pub use judge::{Finding, Proof, Unjudged, Verdict, judge, judge_read};
pub use rules::{Level, Policy, PolicyError};
