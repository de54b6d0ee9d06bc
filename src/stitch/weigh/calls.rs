//! What can be the cause of something elsewhere, and the values it passes.

/// A tool call, or a request on its way: what can be the cause of something elsewhere.
pub(super) struct Call {
    /// Its place among the calls.
    pub(super) number: usize,
    pub(super) event: u32,
    /// Its task; `NONE` for a request that is in none yet.
    pub(super) root: u32,
    /// Asked for by a model, not a request on its way.
    pub(super) by_model: bool,
    /// A call of a model: the cause of the spans in which its tools ran.
    pub(super) thinks: bool,
    pub(super) time: i64,
    /// When the model was asked for it, where its log does not say when it answered; else the same.
    pub(super) since: i64,
    /// When its task's model was asked next: what the call did was done by then, unless something waits.
    pub(super) until: i64,
    pub(super) format: u32,
    pub(super) tool: u32,
    pub(super) tokens: Values,
    /// Nothing of what it passed is on record: that no value agrees says nothing then.
    pub(super) silent: bool,
    /// Bytes of what it gave back.
    pub(super) result: Option<i64>,
    /// The system that a request was for, by number.
    pub(super) service: u32,
}

impl Call {
    /// Whether it is a request on its way.
    pub(super) fn is_relayed(&self) -> bool {
        !self.by_model && !self.thinks
    }
}

/// Numbers of values, sorted.
#[derive(Default)]
pub(super) struct Values(Vec<u32>);

impl Values {
    pub(super) fn contains(&self, value: u32) -> bool {
        self.0.binary_search(&value).is_ok()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<u32> for Values {
    fn from_iter<I: IntoIterator<Item = u32>>(values: I) -> Self {
        let mut values: Vec<u32> = values.into_iter().collect();
        values.sort_unstable();
        values.dedup();
        Self(values)
    }
}
