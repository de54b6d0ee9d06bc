//! `trail rules`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use miette::{IntoDiagnostic, Result, miette};

use super::Form;
use crate::check::{Policy, Record, explain_rule, test_examples};
use crate::store::{EventRef, EventView, read_events};
use crate::tell::safe::{cut, terminal};

/// Write rules: check them, test them on their examples, see why one matches
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail rules check rules/\n  trail rules explain trail-001 9c1d22"
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the rules of a policy
    #[command(
        after_long_help = "Examples:\n  trail rules list\n  trail rules list --policy rules/ --format json"
    )]
    List {
        /// Folder or file of rules [default: the shipped baseline]
        #[arg(long, value_name = "PATH")]
        policy: Option<PathBuf>,
        /// Form of the output
        #[arg(long, value_enum, default_value_t = Form::Table)]
        format: Form,
    },
    /// Say what is wrong with rules, with file and line
    #[command(after_long_help = "Examples:\n  trail rules check\n  trail rules check rules/")]
    Check {
        /// Folder or file of rules [default: the shipped baseline]
        #[arg(value_name = "PATH")]
        policy: Option<PathBuf>,
    },
    /// Hold rules against their examples
    #[command(after_long_help = "Examples:\n  trail rules test\n  trail rules test rules/")]
    Test {
        /// Folder or file of rules [default: the shipped baseline]
        #[arg(value_name = "PATH")]
        policy: Option<PathBuf>,
    },
    /// Say why a rule matches a task, or why it does not, condition by condition
    #[command(
        after_long_help = "Examples:\n  trail rules explain trail-001 9c1d22\n  trail rules explain my-rule 9c1d22 --policy rules/"
    )]
    Explain {
        /// Id of the rule
        rule: String,
        /// Beginning of the task's id
        task: String,
        /// Folder or file of rules [default: the shipped baseline]
        #[arg(long, value_name = "PATH")]
        policy: Option<PathBuf>,
        /// Form of the output
        #[arg(long, value_enum, default_value_t = Form::Table)]
        format: Form,
    },
}

impl Args {
    pub(super) fn run(self, store: &super::Given) -> Result<ExitCode> {
        match self.command {
            Command::List { policy, format } => list(&super::policy(policy.as_deref())?, format),
            Command::Check { policy } => check(&super::policy(policy.as_deref())?),
            Command::Test { policy } => test(&super::policy(policy.as_deref())?),
            Command::Explain {
                rule,
                task,
                policy,
                format,
            } => {
                let policy = super::policy(policy.as_deref())?;
                explain(store, &policy, &rule, &task, format)
            }
        }
    }
}

fn list(policy: &Policy, format: Form) -> Result<ExitCode> {
    if format == Form::Json {
        let rules: Vec<serde_json::Value> = policy
            .rules
            .iter()
            .map(|rule| {
                serde_json::json!({
                    "id": rule.id, "title": rule.title, "level": rule.level, "scope": rule.scope(),
                    "tags": rule.tags, "description": rule.description, "file": rule.path,
                    "examples": rule.examples.len(),
                })
            })
            .collect();
        let all = serde_json::json!({
            "policy": policy.name, "version": policy.version, "digest": policy.digest.to_string(),
            "rules": rules, "exceptions": policy.exceptions,
        });
        super::print(
            &(serde_json::to_string_pretty(&all).into_diagnostic()? + "\n"),
            None,
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let width =
        |of: fn(&crate::check::Rule) -> usize| policy.rules.iter().map(of).max().unwrap_or(0);
    let (ids, scopes) = (width(|rule| rule.id.len()), 11);
    let mut out = format!(
        "{} {}: {} rules, {} exceptions\n",
        terminal(&policy.name),
        terminal(&policy.version),
        policy.rules.len(),
        policy.exceptions.len()
    );
    for rule in &policy.rules {
        let line = format!(
            "{:ids$}  {:13}  {:scopes$}  {}  ({})",
            rule.id,
            rule.level.as_str(),
            rule.scope(),
            rule.title,
            rule.tags.join(", ")
        );
        out.push_str(&cut(&terminal(&line), super::columns()));
        out.push('\n');
    }
    super::print(&out, None)?;
    Ok(ExitCode::SUCCESS)
}

/// Loading has refused what is wrong; what is left may be thin.
fn check(policy: &Policy) -> Result<ExitCode> {
    let mut out = format!(
        "{} {}: {} rules are valid\n",
        terminal(&policy.name),
        terminal(&policy.version),
        policy.rules.len()
    );
    let bare = policy
        .rules
        .iter()
        .filter(|rule| rule.examples.is_empty())
        .count();
    if bare > 0 {
        out.push_str(&format!("  {bare} of them have no examples\n"));
    }
    super::print(&out, None)?;
    Ok(ExitCode::SUCCESS)
}

fn test(policy: &Policy) -> Result<ExitCode> {
    let failures = test_examples(policy);
    let examples: usize = policy.rules.iter().map(|rule| rule.examples.len()).sum();
    let mut out = String::new();
    for failure in &failures {
        let list = if failure.must_match {
            "match"
        } else {
            "no_match"
        };
        out.push_str(&format!(
            "{} ({}): example {} of `{list}`: {}\n",
            terminal(&failure.rule),
            terminal(&failure.path),
            failure.number,
            terminal(&failure.message)
        ));
    }
    out.push_str(&format!(
        "{examples} examples of {} rules, {} wrong\n",
        policy.rules.len(),
        failures.len()
    ));
    super::print(&out, None)?;
    Ok(ExitCode::from(u8::from(!failures.is_empty())))
}

fn explain(
    store: &super::Given,
    policy: &Policy,
    rule: &str,
    task: &str,
    format: Form,
) -> Result<ExitCode> {
    let found = policy.rules.iter().find(|have| have.id == rule);
    let rule = found.ok_or_else(|| {
        let near = policy
            .rules
            .iter()
            .max_by(|a, b| {
                let like = |id: &str| strsim::jaro(id, rule);
                like(&a.id).total_cmp(&like(&b.id))
            })
            .map(|rule| format!("; did you mean {}?", rule.id))
            .unwrap_or_default();
        miette!(
            help = "`trail rules list` shows all",
            "no rule `{rule}`{near}"
        )
    })?;
    let (store, index) = super::open(store)?;
    let tasks = index.by_prefix(task);
    let [task] = tasks.as_slice() else {
        return Err(miette!(
            help = "`trail timeline` shows the ids of tasks",
            "{} tasks have an id that begins with `{task}`",
            tasks.len()
        ));
    };
    let members = index.members(*task);
    let places: Vec<EventRef> = members.iter().map(|event| index.place(*event)).collect();
    let set = read_events(&store, &places).map_err(|error| miette!("{error}"))?;
    let views: Vec<EventView<'_>> = set.iter().collect();
    let records: Vec<&dyn Record> = views.iter().map(|view| view as &dyn Record).collect();
    let explained = explain_rule(policy, rule, &records);
    if format == Form::Json {
        let text = serde_json::to_string_pretty(&explained).into_diagnostic()? + "\n";
        super::print(&text, None)?;
        return Ok(ExitCode::SUCCESS);
    }
    let columns = super::columns();
    let mut out = format!("{} {}\n", explained.rule, explained.title);
    out.push_str(&match &explained.breach {
        Some(breach) => format!("matches: {}\n", terminal(breach)),
        None => "does not match\n".to_owned(),
    });
    out.push_str("\nThe task\n");
    for (at, event) in explained.events.iter().enumerate() {
        let line = format!("  {:>3}. {}", at + 1, terminal(event));
        out.push_str(&cut(&line, columns));
        out.push('\n');
    }
    out.push_str("\nThe rule on it\n");
    for reason in &explained.reasons {
        out.push_str(&cut(&format!("  {}", terminal(reason)), columns));
        out.push('\n');
    }
    super::print(&out, None)?;
    Ok(ExitCode::SUCCESS)
}
