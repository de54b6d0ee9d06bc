//! What an operation is, who did it and how it ended.

use crate::model::{ActorType, Kind, Outcome};

/// UserType: 0 regular, 2 admin, 3 data centre admin, 4 system, 5 application, 6 service principal.
/// SharePoint's own account and local SIDs come as regular users.
pub(super) fn actor_type(user_type: Option<u8>, user: Option<&str>) -> ActorType {
    match (user_type, user) {
        (_, Some(user))
            if user.starts_with("ServicePrincipal_")
                || user.starts_with("S-1-5-18")
                || user.eq_ignore_ascii_case("app@sharepoint")
                || user.eq_ignore_ascii_case("SHAREPOINT\\system") =>
        {
            ActorType::Service
        }
        (Some(0 | 2), Some(user)) if user.contains('@') => ActorType::Human,
        (Some(3..=6), _) => ActorType::Service,
        _ => ActorType::Unknown,
    }
}

/// Names that do not say what they are by the words in them: mailbox actions of Exchange, Teams.
const NAMED: &[(&str, Kind)] = &[
    ("applyrecord", Kind::Write),
    ("copy", Kind::Write),
    ("create", Kind::Write),
    ("folderbind", Kind::Read),
    ("messagebind", Kind::Read),
    ("move", Kind::Write),
    ("movetodeleteditems", Kind::Write),
    ("signinevent", Kind::Login),
    ("teamssessionstarted", Kind::Login),
    ("update", Kind::Write),
    ("updateinboxrules", Kind::Configuration),
    ("updatecalendardelegation", Kind::Configuration),
    ("aiinteractioncreatednotification", Kind::Message),
    ("dlpinfo", Kind::PolicyDecision),
    ("dlprulematch", Kind::PolicyDecision),
    ("dlpruleundo", Kind::PolicyDecision),
];

/// Beginnings of names of commands and of changes in the directory.
const SETTINGS: &[&str] = &[
    "set-",
    "new-",
    "add-",
    "remove-",
    "enable-",
    "disable-",
    "install-",
    "update-",
    "add ",
    "remove ",
    "update ",
    "delete ",
    "set ",
    "consent",
    "create ",
    "add owner",
    "disable",
    "enable",
];

/// Words by which SharePoint and Teams name a change of who may do what.
const PERMISSIONS: &[&str] = &[
    "sharing",
    "link",
    "togroup",
    "fromgroup",
    "memberadded",
    "memberremoved",
    "memberrolechanged",
    "groupadded",
    "groupremoved",
    "permission",
    "accessrequest",
    "siteadmin",
    "collectionadmin",
    "appinstalled",
    "appuninstalled",
    "botadded",
    "botremoved",
    "connectoradded",
    "connectorremoved",
    "settingchanged",
];

/// What kind of step an operation is, by its name.
pub(super) fn kind_of(operation: &str) -> Kind {
    let lower = operation.to_ascii_lowercase();
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| lower.starts_with(prefix));
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if let Some((_, kind)) = NAMED.iter().find(|(name, _)| *name == lower) {
        *kind
    } else if has(&["logged", "login", "signedin"]) {
        Kind::Login
    } else if lower == "copilotinteraction" || lower.contains("aiappinteraction") {
        Kind::Inference
    } else if starts(&["send", "messagesent", "messagecreated"]) {
        Kind::Message
    } else if starts(&["approve"]) {
        Kind::Approval
    } else if starts(&["reject", "deny"]) {
        Kind::Rejection
    } else if starts(&["alert"]) {
        Kind::PolicyDecision
    } else if starts(&["get-"]) {
        Kind::Read
    } else if starts(SETTINGS) || has(PERMISSIONS) && !has(&["linkused", "viewed", "accessed"]) {
        Kind::Configuration
    } else if has(&[
        "accessed",
        "preview",
        "download",
        "viewed",
        "search",
        "export",
        "linkused",
        "listed",
        "retrieved",
        "contentread",
    ]) {
        Kind::Read
    } else if has(&[
        "modified",
        "delete",
        "upload",
        "created",
        "renamed",
        "moved",
        "update",
        "added",
        "removed",
        "copied",
        "restored",
        "recycled",
        "checkedin",
    ]) {
        Kind::Write
    } else {
        Kind::Other
    }
}

/// What a message of Dataverse's SDK does.
pub(super) fn kind_of_message(message: &str) -> Kind {
    let lower = message.to_ascii_lowercase();
    if ["retrieve", "export", "execute"]
        .iter()
        .any(|word| lower.starts_with(word))
    {
        Kind::Read
    } else if [
        "grant",
        "revoke",
        "modifyaccess",
        "publish",
        "addmembers",
        "removemembers",
    ]
    .iter()
    .any(|word| lower.starts_with(word))
    {
        Kind::Configuration
    } else if lower.contains("send") {
        Kind::Message
    } else if ["login", "useraccess"]
        .iter()
        .any(|word| lower.contains(word))
    {
        Kind::Login
    } else {
        Kind::Write
    }
}

/// What `ResultStatus` says; of a log-on that failed the name does.
pub(super) fn outcome(status: Option<&str>, operation: &str) -> Outcome {
    match status.map(str::to_ascii_lowercase).as_deref() {
        Some("true" | "succeeded" | "success" | "ok") => Outcome::Ok,
        Some("failed" | "false" | "failure") => Outcome::Error,
        Some("partiallysucceeded") => Outcome::Unknown,
        _ if operation == "UserLoginFailed" => Outcome::Denied,
        _ => Outcome::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailbox_actions_and_sharing_are_told_apart_by_name() {
        for (operation, kind) in [
            ("Create", Kind::Write),
            ("Create application.", Kind::Configuration),
            ("SendAs", Kind::Message),
            ("SendOnBehalf", Kind::Message),
            ("HardDelete", Kind::Write),
            ("MailItemsAccessed", Kind::Read),
            ("UpdateInboxRules", Kind::Configuration),
            ("ModifyFolderPermissions", Kind::Configuration),
            ("AnonymousLinkCreated", Kind::Configuration),
            ("AnonymousLinkUsed", Kind::Read),
            ("AddedToGroup", Kind::Configuration),
            ("MemberAdded", Kind::Configuration),
            ("TeamCreated", Kind::Write),
            ("DLPRuleMatch", Kind::PolicyDecision),
            ("AlertTriggered", Kind::PolicyDecision),
            ("FileCopied", Kind::Write),
            ("Get-SafeLinksPolicy", Kind::Read),
        ] {
            assert_eq!(kind_of(operation), kind, "{operation}");
        }
        assert_eq!(kind_of_message("RetrieveMultiple"), Kind::Read);
        assert_eq!(kind_of_message("Update"), Kind::Write);
    }

    #[test]
    fn accounts_of_the_service_are_no_people() {
        assert_eq!(
            actor_type(Some(0), Some("app@sharepoint")),
            ActorType::Service
        );
        assert_eq!(actor_type(Some(2), Some("S-1-5-18")), ActorType::Service);
        assert_eq!(
            actor_type(Some(0), Some("e.novak@firma.example")),
            ActorType::Human
        );
    }
}
