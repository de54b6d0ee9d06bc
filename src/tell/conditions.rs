//! Conditions that timelines and searches share.

/// Whether a source is the named one, or of the named family.
pub(super) fn is_of_source(source: &str, want: &str) -> bool {
    let rest = source.strip_prefix(want);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// Whether a time is of a period, whose end does not belong to it (microseconds UTC). What has no time is of none.
pub(super) fn is_within(time: Option<i64>, since: Option<i64>, until: Option<i64>) -> bool {
    since.is_none_or(|since| time.is_some_and(|time| time >= since))
        && until.is_none_or(|until| time.is_some_and(|time| time < until))
}
