//! What traces and logs in OTLP JSON have in common: attributes with typed values, and resources.

mod agentcore;
mod agents;
mod attributes;
mod value;

use serde::Deserialize;

pub(super) use agentcore::{add_bodies, finish as finish_agentcore};
pub(super) use agents::Told;
pub(super) use attributes::{kind_of, take_attribute};
pub(super) use value::{Attributes, value_text};

use crate::model::time::Time;
use crate::model::{ActorType, ContentPart, Event, KeyKind, Kind};
use crate::normalise::MapError;
use crate::normalise::chat::messages::{self, AskedTool, GivenResult};
use crate::normalise::json::Text;

/// What sent the spans or log records.
#[derive(Deserialize)]
pub(super) struct Resource<'a> {
    #[serde(borrow, default)]
    attributes: Attributes<'a>,
}

impl<'a> Resource<'a> {
    /// Adds to an event what is known of its sender: the service, which keeps the clock too, and its host.
    pub(super) fn add_to(&self, event: &mut Event<'a>) {
        for attribute in &self.attributes.0 {
            match &*attribute.key {
                "service.name" => {
                    event.key(KeyKind::Clock, attribute.text());
                    event.actor.id = Some(attribute.text());
                    event.actor.kind = Some(ActorType::Service);
                }
                "host.ip" => event.key(KeyKind::Address, attribute.text()),
                _ => event.attr(attribute.key.0.clone(), attribute.text()),
            }
        }
    }
}

/// A time in nanoseconds since 1970; zero is none.
pub(super) fn nanos(text: &Option<Text<'_>>) -> Result<Option<Time>, MapError> {
    match text
        .as_deref()
        .filter(|text| !text.is_empty() && *text != "0")
    {
        Some(text) => {
            let nanos: i64 = text
                .parse()
                .map_err(|_| MapError::other(format!("`{text}` is no time in nanoseconds")))?;
            Ok(Some(Time::from_epoch(nanos)?))
        }
        None => Ok(None),
    }
}

/// What a call of a model was given and asks for, in whatever form its messages are.
pub(super) fn tools_of(event: &Event<'_>) -> (Vec<GivenResult>, Vec<AskedTool>) {
    if event.kind != Kind::Inference {
        return (Vec::new(), Vec::new());
    }
    let texts = |part| {
        let of_part = event.contents.iter().filter(move |(have, _)| *have == part);
        of_part.map(|(_, text)| &**text)
    };
    let spread = event.attributes.iter();
    let mut calls: Vec<AskedTool> = texts(ContentPart::Output)
        .flat_map(messages::calls)
        .collect();
    calls.extend(messages::spread_calls(
        spread.map(|(name, value)| (&**name, &**value)),
    ));
    if calls.is_empty() {
        calls = texts(ContentPart::Output)
            .flat_map(messages::calls_within)
            .collect();
    }
    let mut results: Vec<GivenResult> = texts(ContentPart::Prompt)
        .flat_map(messages::results)
        .collect();
    if results.is_empty() {
        results = texts(ContentPart::Prompt)
            .flat_map(messages::results_within)
            .collect();
    }
    (results, calls)
}

/// `input.value` and `output.value` are what a step was called with and gave back; of a call of a model they are what it
/// was asked and answered, unless that is told message by message as well.
pub(super) fn name_contents(event: &mut Event<'_>) {
    if event.kind != Kind::Inference {
        return;
    }
    for (as_tool, as_model) in [
        (ContentPart::Arguments, ContentPart::Prompt),
        (ContentPart::Result, ContentPart::Output),
    ] {
        let told = event.contents.iter().any(|(part, _)| *part == as_model);
        if told {
            event.contents.retain(|(part, _)| *part != as_tool);
        }
        for (part, _) in &mut event.contents {
            if *part == as_tool {
                *part = as_model;
            }
        }
    }
}
