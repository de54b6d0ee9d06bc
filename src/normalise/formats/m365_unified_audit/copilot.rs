//! Interactions with Copilot and with agents that were built on it.

use std::borrow::Cow;

use serde::Deserialize;

use crate::model::{ActorType, Event, KeyKind, Kind, Outcome};
use crate::normalise::json::Text;

/// `CopilotEventData` of a record.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Copilot<'a> {
    #[serde(borrow)]
    app_host: Option<Text<'a>>,
    #[serde(borrow)]
    thread_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    accessed_resources: Vec<Resource<'a>>,
    #[serde(borrow, default)]
    contexts: Vec<Context<'a>>,
    #[serde(default)]
    messages: Vec<CopilotMessage>,
    #[serde(borrow, default)]
    model_transparency_details: Vec<Transparency<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource<'a> {
    #[serde(borrow, alias = "ID")]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    sensitivity_label_id: Option<Text<'a>>,
    #[serde(borrow)]
    site_url: Option<Text<'a>>,
    #[serde(borrow)]
    action: Option<Text<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(rename = "XPIADetected", default)]
    xpia_detected: Option<bool>,
}

/// What was open while Copilot was asked.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Context<'a> {
    #[serde(borrow, alias = "ID")]
    id: Option<Text<'a>>,
    #[serde(borrow, rename = "Type")]
    kind: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct CopilotMessage {
    #[serde(rename = "JailbreakDetected", default)]
    jailbreak_detected: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Transparency<'a> {
    #[serde(borrow)]
    model_name: Option<Text<'a>>,
}

/// The events of an interaction: the interaction, each thing that was read for it, what a shield said.
pub(super) fn events<'r>(mut event: Event<'r>, copilot: Copilot<'r>, out: &mut Vec<Event<'r>>) {
    if let Some(thread) = copilot.thread_id.and_then(Text::some) {
        event.key(KeyKind::Conversation, thread.clone());
        event.conversation = Some(thread);
    }
    let host = copilot.app_host.and_then(Text::some);
    event.attr_opt("m365.app_host", host.clone());
    event.agent = event
        .agent
        .take()
        .or(host)
        .or(Some(Cow::Borrowed("Copilot")));
    if let Some(context) = copilot.contexts.into_iter().next() {
        event.object.kind = context
            .kind
            .and_then(Text::some)
            .or(event.object.kind.take());
        event.object.id = context.id.and_then(Text::some);
    }
    event.provider = Some(Cow::Borrowed("microsoft"));
    event.model_served = copilot
        .model_transparency_details
        .into_iter()
        .find_map(|detail| detail.model_name)
        .and_then(Text::some);
    let jailbreak = copilot
        .messages
        .iter()
        .any(|message| message.jailbreak_detected == Some(true));
    let injected = copilot
        .accessed_resources
        .iter()
        .any(|resource| resource.xpia_detected == Some(true));
    let template = Event {
        changes: Vec::new(),
        ..event.clone()
    };
    out.push(event);
    for resource in copilot.accessed_resources {
        let mut retrieval = template.clone();
        retrieval.kind = Kind::Retrieval;
        retrieval.action = Some(match resource.action.and_then(Text::some) {
            Some(action) => Cow::Owned(format!("accessed resource: {action}")),
            None => Cow::Borrowed("accessed resource"),
        });
        retrieval.outcome = match resource.status.and_then(Text::some).as_deref() {
            Some("success") => Some(Outcome::Ok),
            Some("failure") => Some(Outcome::Denied),
            _ => retrieval.outcome,
        };
        retrieval.attr_opt("url.full", resource.site_url.and_then(Text::some));
        retrieval.knowledge_source = resource
            .name
            .and_then(Text::some)
            .or(resource.id.and_then(Text::some));
        retrieval.attr_opt(
            "sensitivity_label",
            resource.sensitivity_label_id.and_then(Text::some),
        );
        out.push(retrieval);
    }
    if jailbreak || injected {
        let mut decision = template;
        decision.kind = Kind::PolicyDecision;
        decision.action = Some(Cow::Borrowed(match (jailbreak, injected) {
            (true, true) => "jailbreak and XPIA detected",
            (true, false) => "jailbreak detected",
            (false, _) => "XPIA detected",
        }));
        decision.actor.kind = Some(ActorType::Service);
        decision.policy_id = Some(Cow::Borrowed("microsoft prompt shield"));
        decision.outcome = Some(Outcome::Denied);
        out.push(decision);
    }
}
