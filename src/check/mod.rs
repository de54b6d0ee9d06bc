//! Rules over single events and records (Sigma) and over whole tasks (templates of Declare).
//!
//! What the templates mean is defined in docs/policy.md and done in `task`. A value that is not logged
//! makes a condition not hold. A rule whose kinds of events (`needs`) or logs the store has none of is
//! *not evaluable*: silence is not compliance.

mod conditions;
mod correlate;
mod examples;
mod exceptions;
mod fields;
mod files;
mod form;
mod judge;
mod kept;
mod record;
mod rules;
mod select;
mod task;

pub use examples::{Explained, Failure, breaches_at_end, explain_rule, test_examples};
pub use exceptions::{
    Excepted, Exception, Scope, apply_exceptions, known_findings, leave_out_known,
};
pub use form::{Example, LogSource};
pub use judge::{Finding, Proof, Unjudged, Verdict, judge, judge_read, judge_some, sort_findings};
pub use kept::{check_kept, forget_verdict, judge_anew, judge_once};
pub use record::{Given, Record};
pub use rules::{Level, Policy, PolicyError, Rule};
pub use select::column_of;
