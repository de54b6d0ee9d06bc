//! Answers for people and programs: values first, forms of output second.

mod browse;
mod bundle;
mod chart;
mod compare;
mod conditions;
mod explain;
mod export;
mod export_columns;
mod export_events;
mod export_ocel;
mod export_otlp;
mod figures;
mod findings;
mod framework;
mod gaps;
mod halves;
mod html;
mod integrity;
mod ocel_sqlite;
mod outputs;
mod replay;
mod report;
pub mod safe;
mod search;
mod sequences;
mod shown;
mod sql;
mod sql_asked;
mod sql_file;
mod sql_order;
mod sql_scan;
mod stats;
mod stitching;
mod task_block;
mod task_traits;
mod templated;
mod timeline;

pub use browse::{Browser, Key, Wish};
pub use bundle::{BundleError, BundleRequest, bundle};
pub use compare::{Comparison, Difference, Side, compare, comparison_text};
pub use explain::{ExplainError, Explanation, explain, explanation_text, find_events};
pub use export::{export_causes, export_tasks};
pub use export_columns::export_columns;
pub use export_events::{EventForm, ExportError, Exported, export_events};
pub use figures::{check_kept_figures, make_figures, remake_figures};
pub use findings::{
    findings_github, findings_junit, findings_markdown, findings_sarif, findings_summary,
    findings_table,
};
pub use framework::{Framework, framework_values, frameworks};
pub use gaps::{Gap, gaps};
pub use html::timeline_html;
pub use integrity::integrity_text;
pub use ocel_sqlite::ocel_sqlite;
pub use outputs::{timeline_csv, timeline_markdown, timeline_table};
pub use replay::{Breach, Replay, Step, Text, replay, replay_summary, step_text};
pub use report::report_values;
pub use search::{
    Found, Hit, SearchError, SearchRequest, SearchSteps, Told, search, search_csv, search_text,
};
pub use sequences::{Missing, missing_numbers};
pub use shown::{Facts, Values};
pub use sql::{
    Answered as SqlAnswer, TABLES as SQL_TABLES, names_derived, reason as sql_reason, sql,
};
pub use stats::{Stats, stats, stats_text};
pub use stitching::{Stitching, stitching, stitching_text};
pub use task_block::{ChangeLine, Head, Line, TaskBlock};
pub use templated::{
    CASE, Chart, EXECUTIVE, FRAMEWORK, Material, REPORT, case_values, executive_values, render,
};
pub use timeline::{
    Matched, Selector, Timeline, TimelineError, TimelineRequest, timeline, timeline_before,
};
