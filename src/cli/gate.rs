//! `trail gate`

use std::convert::Infallible;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use miette::{IntoDiagnostic, Result, miette};

use crate::check::{Policy, Record};
use crate::config::Config;
use crate::gate::{
    Answer, GateConfig, Proposal, Protocol, Question, answer, approve, decide, protect,
    protect_approval, so_far,
};

/// Ask the policy before an action runs
///
/// Reads one proposed action (or a person's approval) as JSON on standard input and answers in the
/// caller's own protocol: Claude Code PreToolUse hook, MCP tools/call, OpenAI or Anthropic tool call, or
/// an event in trail's own form. The decision is in the store before it is told. Exit code: 0 allow, 1
/// deny, 3 ask, 2 not decided; a Claude Code hook always gets 0, its answer is in the output.
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail gate\n  trail --store /var/lib/trail gate --policy rules/"
)]
pub struct Args {
    /// Folder or file of rules [default: `policy` of [gate] in trail.toml, else the shipped baseline]
    #[arg(long, value_name = "PATH")]
    policy: Option<PathBuf>,
}

/// A question longer than that is none.
const MOST_BYTES: u64 = 16 << 20;

impl Args {
    pub(super) fn run(self, store: &super::Given) -> Result<ExitCode> {
        let mut text = Vec::new();
        std::io::stdin()
            .take(MOST_BYTES)
            .read_to_end(&mut text)
            .into_diagnostic()?;
        let config = Config::load(&store.path().join("trail.toml"));
        let gate = config
            .as_ref()
            .map(|config| config.gate.clone())
            .unwrap_or_default();
        let question = serde_json::from_slice(&text)
            .map_err(|error| format!("standard input is no JSON: {error}"))
            .and_then(|value| Question::read(value, &gate));
        let question =
            question.map_err(|error| miette!(help = "docs/gate.md shows each form", "{error}"))?;
        let now = jiff::Timestamp::now().as_microsecond();
        match question {
            Question::Approval(mut approval) => {
                let store = super::open_store(store)?;
                protect_approval(store.access(), &mut approval)?;
                approve(&store, &approval, now).map_err(|error| miette!("{error}"))?;
                let word = if approval.granted {
                    "granted"
                } else {
                    "refused"
                };
                let told = serde_json::json!({"recorded": approval.decision, "approval": word});
                super::print(&format!("{told}\n"), None)?;
                Ok(ExitCode::SUCCESS)
            }
            Question::Action(proposal) => {
                let decided = config
                    .map_err(miette::Report::from)
                    .and_then(|config| self.decide(store, &config, &proposal, now));
                let Err(error) = decided;
                failed(&proposal, &gate, &error)
            }
        }
    }

    /// Decides, tells, and ends the process.
    fn decide(
        &self,
        store: &super::Given,
        config: &Config,
        proposal: &Proposal,
        now: i64,
    ) -> Result<Infallible> {
        let store = super::open_store(store)?;
        let mut protected = proposal.clone();
        protect(store.access(), &mut protected)?;
        let (asked, proposal) = (proposal, &protected);
        let own = config.gate.policy.as_ref();
        let own = own.map(|path| store.layout().root.join(path));
        let kind = proposal.event.field("kind").unwrap_or_default();
        let load = || Policy::load_to_decide(self.policy.as_deref().or(own.as_deref()), &kind);
        // Somebody waits for the answer: rules are compiled while the task is looked for.
        let (policy, so_far) = std::thread::scope(|scope| {
            let policy = scope.spawn(load);
            let so_far = so_far(&store, config, proposal);
            let policy = match policy.join() {
                Ok(policy) => policy,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            (policy, so_far)
        });
        let so_far = so_far.map_err(|error| miette!("{error}"))?;
        let policy = policy?;
        let decision = decide(&store, config, &policy, proposal, &so_far, now)
            .map_err(|error| miette!("{error}"))?;
        super::print(&format!("{}\n", answer(asked, &decision)), None)?;
        // Somebody waits: what is in memory goes with the process, piece by piece would take a tenth of
        // the time.
        std::process::exit(code(proposal, decision.decision));
    }
}

fn code(proposal: &Proposal, decision: Answer) -> i32 {
    match decision {
        _ if proposal.protocol == Protocol::ClaudeCode => 0,
        Answer::Allow => 0,
        Answer::Deny => 1,
        Answer::Ask => 3,
    }
}

/// The gate itself has failed: the answer is the configured one, and says so.
fn failed(proposal: &Proposal, config: &GateConfig, error: &miette::Report) -> Result<ExitCode> {
    use std::io::Write;
    let decision = crate::gate::Decision {
        id: "none".to_owned(),
        decision: config.on_error,
        rules: Vec::new(),
        reason: format!("the gate could not decide: {error}"),
        task: None,
        events: 0,
        policy: [String::new(), String::new(), String::new()],
    };
    let _ = writeln!(std::io::stderr(), "{error:?}");
    super::print(&format!("{}\n", answer(proposal, &decision)), None)?;
    let code = u8::try_from(code(proposal, config.on_error)).unwrap_or(2);
    Ok(ExitCode::from(code))
}
