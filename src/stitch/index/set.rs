//! Sets of tasks.

use std::sync::atomic::{AtomicBool, Ordering};

use super::TaskIndex;

/// Some of the tasks of a store; threads that read it side by side add to it together.
pub struct TaskSet(Vec<AtomicBool>);

impl TaskSet {
    /// None of the tasks of that store.
    #[must_use]
    pub fn new(index: &TaskIndex) -> Self {
        Self((0..index.len()).map(|_| AtomicBool::default()).collect())
    }

    /// Adds a task of the store.
    pub fn insert(&self, task: usize) {
        if let Some(of) = self.0.get(task) {
            of.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it has that task.
    #[must_use]
    pub fn contains(&self, task: usize) -> bool {
        let of = self.0.get(task);
        of.is_some_and(|of| of.load(Ordering::Relaxed))
    }

    /// Number of its tasks.
    #[must_use]
    pub fn len(&self) -> usize {
        (0..self.0.len())
            .filter(|task| self.contains(*task))
            .count()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
