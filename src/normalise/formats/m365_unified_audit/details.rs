//! What only some workloads tell: mail of Exchange, teams, records of Dataverse, matches of data loss
//! prevention, alerts.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::AuditData;
use super::operations::kind_of_message;
use crate::model::{Change, Event, KeyKind, Outcome};
use crate::normalise::json::Text;
use crate::normalise::names::add_mentions;

/// So many messages, members or rules of a record are told; the rest is in the raw record.
const MOST: usize = 16;

/// A nested value, or nothing where it has another form.
pub(super) fn nested<'r, T: Deserialize<'r>>(raw: Option<&'r RawValue>) -> Option<T> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

fn text<'r>(raw: Option<&'r RawValue>) -> Option<Cow<'r, str>> {
    nested::<Text<'r>>(raw).and_then(Text::some)
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Item<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    subject: Option<Text<'a>>,
    #[serde(borrow, alias = "MessageID")]
    internet_message_id: Option<Text<'a>>,
    #[serde(borrow)]
    attachments: Option<Text<'a>>,
    #[serde(borrow)]
    parent_folder: Option<Folder<'a>>,
    #[serde(borrow)]
    from: Option<Text<'a>>,
    #[serde(borrow)]
    to: Vec<Text<'a>>,
    #[serde(borrow, alias = "CC")]
    cc: Vec<Text<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Folder<'a> {
    #[serde(borrow)]
    path: Option<Text<'a>>,
    #[serde(borrow)]
    folder_items: Vec<Item<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Policy<'a> {
    #[serde(borrow)]
    policy_id: Option<Text<'a>>,
    #[serde(borrow)]
    policy_name: Option<Text<'a>>,
    #[serde(borrow)]
    rules: Vec<Rule<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Rule<'a> {
    #[serde(borrow)]
    rule_name: Option<Text<'a>>,
    #[serde(borrow)]
    severity: Option<Text<'a>>,
    #[serde(borrow)]
    actions: Vec<Text<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct FileData<'a> {
    #[serde(borrow)]
    file_path_url: Option<Text<'a>>,
    #[serde(borrow)]
    file_name: Option<Text<'a>>,
    #[serde(borrow)]
    from: Option<Text<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Member<'a> {
    #[serde(borrow, rename = "UPN")]
    upn: Option<Text<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Field<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    value: Option<Text<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct TeamsMessage<'a> {
    #[serde(borrow)]
    thread_id: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
}

/// Adds what the record has of one of these.
pub(super) fn add<'r>(event: &mut Event<'r>, data: &AuditData<'r>) {
    add_mail(event, data);
    add_teams(event, data);
    add_dataverse(event, data);
    add_policy(event, data);
    add_alert(event, data);
}

fn set_object<'r>(event: &mut Event<'r>, kind: &'static str, id: Cow<'r, str>) {
    event.object.kind = Some(Cow::Borrowed(kind));
    event.object.id = Some(id);
}

/// Messages of a mailbox: one that was made or sent (`Item`), several that were moved or deleted
/// (`AffectedItems`), or read (`Folders`).
fn add_mail<'r>(event: &mut Event<'r>, data: &AuditData<'r>) {
    let mut items: Vec<Item<'r>> = nested::<Item<'r>>(data.item).into_iter().collect();
    items.extend(nested::<Vec<Item<'r>>>(data.affected_items).unwrap_or_default());
    let mut folders = Vec::new();
    for folder in nested::<Vec<Folder<'r>>>(data.folders).unwrap_or_default() {
        folders.extend(folder.path);
        items.extend(folder.folder_items);
    }
    let from = nested::<Folder<'r>>(data.folder).and_then(|folder| folder.path);
    let to = nested::<Folder<'r>>(data.dest_folder).and_then(|folder| folder.path);
    if let Some(to) = to.and_then(Text::some) {
        event.changes.push(Change {
            field: Cow::Borrowed("folder"),
            before: from.and_then(Text::some),
            after: Some(to),
        });
    } else if let Some(folder) = from
        .or_else(|| folders.into_iter().next())
        .and_then(Text::some)
    {
        event.attr("m365.folder", folder);
    }
    if items.is_empty() {
        return;
    }
    if items.len() > 1 {
        event.attr("m365.items", items.len().to_string());
    }
    for (at, item) in items.into_iter().take(MOST).enumerate() {
        let message = item.internet_message_id.and_then(Text::some).map(bare);
        let subject = item.subject.and_then(Text::some);
        if let Some(message) = &message {
            event.key(KeyKind::Object, format!("email/{message}"));
        }
        let told = [subject.as_deref(), item.attachments.as_deref()];
        for text in told.into_iter().flatten() {
            add_mentions(event, text);
        }
        if at == 0 {
            let name = subject
                .clone()
                .or_else(|| message.clone())
                .or(item.id.and_then(Text::some));
            if let Some(name) = name {
                set_object(event, "mail item", name);
            }
            event.attr_opt("email.message_id", message);
            event.attr_opt("email.attachments", item.attachments.and_then(Text::some));
            if !event
                .attributes
                .iter()
                .any(|(name, _)| name == "m365.folder")
            {
                let folder = item.parent_folder.and_then(|folder| folder.path);
                event.attr_opt("m365.folder", folder.and_then(Text::some));
            }
        }
        if let Some(subject) = subject {
            event.attr("email.subject", subject);
        }
    }
}

/// A message id without its brackets, which some exports write as HTML.
fn bare(id: Cow<'_, str>) -> Cow<'_, str> {
    let inner = id
        .trim_start_matches("&lt;")
        .trim_end_matches("&gt;")
        .trim_matches(['<', '>']);
    if inner.len() == id.len() {
        id
    } else {
        Cow::Owned(inner.to_owned())
    }
}

/// Teams: what was done to which team, channel or message. A thread lasts as long as people talk:
/// it is an object, and joins no tasks.
fn add_teams<'r>(event: &mut Event<'r>, data: &AuditData<'r>) {
    let message = nested::<TeamsMessage<'r>>(data.message);
    let (in_message, of_message) = match message {
        Some(message) => (
            message.thread_id.and_then(Text::some),
            message.id.and_then(Text::some),
        ),
        None => (None, None),
    };
    let thread = text(data.chat_thread_id).or(in_message);
    let id = text(data.message_id).or(of_message);
    let team = text(data.team_name);
    let channel = text(data.channel_name);
    let add_on = text(data.add_on_name);
    event.attr_opt("m365.team", team.clone());
    event.attr_opt("m365.channel", channel.clone());
    event.attr_opt("m365.thread", thread.clone());
    if event.object.id.is_none() {
        if let Some(id) = id.clone() {
            set_object(event, "message", id);
        } else if let Some(add_on) = add_on {
            set_object(event, "app", add_on);
        } else if let Some(channel) = channel {
            set_object(event, "channel", channel);
        } else if let Some(team) = team {
            set_object(event, "team", team);
        } else if let Some(thread) = thread.clone() {
            set_object(event, "thread", thread);
        }
    }
    if let Some(thread) = thread {
        event.key(KeyKind::Object, format!("thread/{thread}"));
    }
    if let Some(id) = id {
        event.key(KeyKind::Object, format!("message/{id}"));
    }
    let members = nested::<Vec<Member<'r>>>(data.members).unwrap_or_default();
    for member in members.into_iter().take(MOST) {
        if let Some(upn) = member.upn.and_then(Text::some) {
            event.changes.push(Change {
                field: Cow::Borrowed("member"),
                before: None,
                after: Some(upn),
            });
        }
    }
    if let Some(target) = text(data.target_user_or_group_name) {
        event.changes.push(Change {
            field: Cow::Borrowed("member"),
            before: None,
            after: Some(target),
        });
    }
}

/// Dataverse (Dynamics 365, Power Apps): the message of the SDK says what was done to which record.
fn add_dataverse<'r>(event: &mut Event<'r>, data: &AuditData<'r>) {
    let Some(entity) = text(data.entity_name) else {
        return;
    };
    if let Some(message) = text(data.message) {
        event.kind = kind_of_message(&message);
        event.action = Some(message);
    }
    event.object.kind = Some(entity.clone());
    event.object.id = text(data.entity_id);
    if let Some(id) = &event.object.id {
        event
            .keys
            .push((KeyKind::Object, Cow::Owned(format!("{entity}/{id}"))));
    }
    for field in nested::<Vec<Field<'r>>>(data.fields).unwrap_or_default() {
        if let Some(name) = field.name.and_then(Text::some) {
            event.changes.push(Change {
                field: name,
                before: None,
                after: field.value.and_then(Text::some),
            });
        }
    }
}

/// A match of a data loss prevention rule. It blocks, or it only tells somebody.
fn add_policy<'r>(event: &mut Event<'r>, data: &AuditData<'r>) {
    let Some(policies) = nested::<Vec<Policy<'r>>>(data.policy_details) else {
        return;
    };
    let mut actions: Vec<Cow<'r, str>> = Vec::new();
    let mut rules: Vec<Cow<'r, str>> = Vec::new();
    let mut severity = None;
    for policy in policies.into_iter().take(MOST) {
        let id = policy.policy_name.or(policy.policy_id);
        event.policy_id = event.policy_id.take().or(id.and_then(Text::some));
        for rule in policy.rules.into_iter().take(MOST) {
            rules.extend(rule.rule_name.and_then(Text::some));
            severity = severity.or(rule.severity.and_then(Text::some));
            for action in rule.actions.into_iter().filter_map(Text::some) {
                if !actions.contains(&action) {
                    actions.push(action);
                }
            }
        }
    }
    let blocks = |action: &Cow<'_, str>| {
        let lower = action.to_ascii_lowercase();
        lower.starts_with("block") || lower.contains("quarantine") || lower.contains("reject")
    };
    // An undone match is one that somebody overrode.
    let undone = data
        .operation
        .as_ref()
        .is_some_and(|operation| operation.eq_ignore_ascii_case("DlpRuleUndo"));
    event.outcome = Some(if undone {
        Outcome::Ok
    } else if actions.iter().any(blocks) {
        Outcome::Denied
    } else {
        Outcome::Unknown
    });
    event.attr("rule.name", rules.join(", "));
    event.attr("m365.actions", actions.join(", "));
    event.attr_opt("m365.severity", severity);
    event.attr_opt("m365.incident", text(data.incident_id));
    if let Some(file) = nested::<FileData<'r>>(data.share_point_meta_data) {
        if let Some(path) = file.file_path_url.or(file.file_name).and_then(Text::some) {
            add_mentions(event, &path);
            set_object(event, "file", path);
        }
        event.actor.on_behalf_of = file.from.and_then(Text::some);
    }
    if let Some(mail) = nested::<Item<'r>>(data.exchange_meta_data) {
        if let Some(message) = mail.internet_message_id.and_then(Text::some).map(bare) {
            event.key(KeyKind::Object, format!("email/{message}"));
            event.attr("email.message_id", message);
        }
        if let Some(subject) = mail.subject.and_then(Text::some) {
            add_mentions(event, &subject);
            event.attr("email.subject", subject.clone());
            set_object(event, "mail item", subject);
        }
        let to = mail.to.iter().chain(&mail.cc).take(MOST);
        event.attr(
            "email.to",
            to.map(|to| to.0.as_ref()).collect::<Vec<_>>().join(", "),
        );
        event.actor.on_behalf_of = mail.from.and_then(Text::some);
    }
}

/// An alert of Purview or Defender: which policy, about whom or what.
fn add_alert<'r>(event: &mut Event<'r>, data: &AuditData<'r>) {
    let Some(alert) = text(data.alert_id) else {
        return;
    };
    event.policy_id = text(data.policy_id);
    // That it was raised says nothing of what it is about.
    event.outcome = Some(Outcome::Unknown);
    event.attr_opt("rule.name", text(data.name));
    event.attr_opt("m365.severity", text(data.severity));
    if let Some(entity) = text(data.alert_entity_id) {
        event.object.kind = text(data.entity_type).or(event.object.kind.take());
        event.object.id = Some(entity);
    }
    event.key(KeyKind::Object, format!("alert/{alert}"));
    event.attr("m365.alert", alert);
}
