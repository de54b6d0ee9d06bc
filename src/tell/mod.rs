//! Answers for people and programs: values first, forms of output second.

mod export;
mod outputs;
pub mod report;
pub mod safe;
mod timeline;

pub use export::{export_causes, export_tasks};
pub use outputs::{
    findings_github, findings_junit, findings_markdown, findings_sarif, findings_table,
};
pub use outputs::{timeline_csv, timeline_markdown, timeline_table};
pub use timeline::{
    ChangeLine, Head, Line, Matched, Selector, TaskBlock, Timeline, TimelineError, TimelineRequest,
    timeline,
};
