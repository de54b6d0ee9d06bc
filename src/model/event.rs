//! The normalised form of what happened.

use std::borrow::Cow;

use super::time::Time;
use super::{Amount, KeyKind};

/// A closed list with names as they stand in the tables.
macro_rules! named_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// All values, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in tables and output.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let name = std::borrow::Cow::<str>::deserialize(from)?;
                Self::from_name(&name).ok_or_else(|| {
                    serde::de::Error::custom(format!("`{name}` is unknown"))
                })
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use named_enum;

named_enum! {
    /// What kind of step an event is. The list is closed.
    Kind {
        /// A person or system asks an agent for something.
        Request = "request",
        /// Standing instruction: system prompt, policy text given to the model.
        Instruction = "instruction",
        /// One call of a model.
        Inference = "inference",
        /// A model asks for a tool. A request, never proof of the deed.
        ToolCall = "tool_call",
        /// What a tool gave back.
        ToolResult = "tool_result",
        /// Knowledge fetched for the model.
        Retrieval = "retrieval",
        /// Data read in a business system.
        Read = "read",
        /// Data changed in a business system.
        Write = "write",
        /// Somebody with the right to do so agreed.
        Approval = "approval",
        /// Somebody with the right to do so refused.
        Rejection = "rejection",
        /// A guardrail, filter or policy engine decided.
        PolicyDecision = "policy_decision",
        /// Something failed.
        Exception = "exception",
        /// Mail, chat or case note sent to people.
        Message = "message",
        /// Log-on, log-off, token use.
        Login = "login",
        /// A setting, permission, model or prompt changed.
        Configuration = "configuration",
        /// Kept, but none of the above.
        Other = "other",
    }
}

impl Kind {
    /// Place of the kind in a causal chain, to order events of equal time.
    #[must_use]
    pub fn causal_rank(self) -> u8 {
        match self {
            Self::Configuration => 0,
            Self::Login => 1,
            Self::Request => 2,
            Self::Instruction => 3,
            Self::Retrieval => 4,
            Self::Inference => 5,
            Self::PolicyDecision => 6,
            Self::ToolCall => 7,
            Self::Approval | Self::Rejection => 8,
            Self::Read => 9,
            Self::Write | Self::Message => 10,
            Self::Exception | Self::Other => 11,
            Self::ToolResult => 12,
        }
    }
}

named_enum! {
    /// Who acted.
    ActorType {
        /// A person.
        Human = "human",
        /// An AI agent or the application that runs it.
        Agent = "agent",
        /// A technical user, batch job or system component.
        Service = "service",
        /// The record does not say.
        Unknown = "unknown",
    }
}

named_enum! {
    /// How it ended.
    Outcome {
        /// Done.
        Ok = "ok",
        /// Failed.
        Error = "error",
        /// Refused by a control.
        Denied = "denied",
        /// The record does not say.
        Unknown = "unknown",
    }
}

named_enum! {
    /// What a row of the contents table holds.
    ContentPart {
        /// The record, byte for byte.
        Raw = "raw",
        /// New text from the asking side.
        Prompt = "prompt",
        /// Standing instruction.
        Instruction = "instruction",
        /// The model's answer.
        Output = "output",
        /// The model's reasoning, where it was logged.
        Reasoning = "reasoning",
        /// Arguments of a tool call.
        Arguments = "arguments",
        /// Result of a tool call.
        Result = "result",
    }
}

/// Who acted, and for whom.
#[derive(Clone, Debug, Default)]
pub struct Actor<'a> {
    /// The id as logged.
    pub id: Option<Cow<'a, str>>,
    /// What kind of actor that is.
    pub kind: Option<ActorType>,
    /// The person or system on whose behalf the actor acted.
    pub on_behalf_of: Option<Cow<'a, str>>,
}

/// What was acted upon.
#[derive(Clone, Debug, Default)]
pub struct Object<'a> {
    /// Type in the system's own words (`Case`, `BELEG`, `A_SupplierInvoice`).
    pub kind: Option<Cow<'a, str>>,
    /// Id as logged.
    pub id: Option<Cow<'a, str>>,
}

/// One changed field.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// Field name in the system's own words.
    pub field: Cow<'a, str>,
    /// Value before; `None` where the log does not carry it.
    pub before: Option<Cow<'a, str>>,
    /// Value after; `None` where the log does not carry it.
    pub after: Option<Cow<'a, str>>,
}

/// An event as a mapper makes it: borrowed from the record where possible.
///
/// What the reader knows of every record (file, ordinal, byte range, source, format) is added by
/// the pipeline.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// What kind of step it is.
    pub kind: Kind,
    /// The record's own format, where a file holds several dialects.
    pub format: Option<&'static str>,
    /// When it began.
    pub time: Option<Time>,
    /// When it ended, microseconds since 1970-01-01 UTC.
    pub end_us: Option<i64>,
    /// Who acted.
    pub actor: Actor<'a>,
    /// What was done, in the system's own words.
    pub action: Option<Cow<'a, str>>,
    /// What it was done to.
    pub object: Object<'a>,
    /// Changed fields.
    pub changes: Vec<Change<'a>>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Status code or error text.
    pub error: Option<Cow<'a, str>>,
    /// Amount of money at stake.
    pub amount: Option<Amount>,
    /// ISO 4217 currency of `amount`.
    pub currency: Option<Cow<'a, str>>,
    /// `gen_ai.provider.name`.
    pub provider: Option<Cow<'a, str>>,
    /// `gen_ai.request.model`.
    pub model_requested: Option<Cow<'a, str>>,
    /// `gen_ai.response.model`.
    pub model_served: Option<Cow<'a, str>>,
    /// SHA-256 (16 hex digits) over model parameters, tools offered and system prompt.
    pub configuration: Option<Cow<'a, str>>,
    /// `gen_ai.usage.input_tokens`.
    pub tokens_in: Option<i64>,
    /// `gen_ai.usage.output_tokens`.
    pub tokens_out: Option<i64>,
    /// Policy or guardrail that was in force.
    pub policy_id: Option<Cow<'a, str>>,
    /// Its version.
    pub policy_version: Option<Cow<'a, str>>,
    /// Knowledge source of a retrieval.
    pub knowledge_source: Option<Cow<'a, str>>,
    /// `gen_ai.agent.id` or name.
    pub agent: Option<Cow<'a, str>>,
    /// `gen_ai.conversation.id`.
    pub conversation: Option<Cow<'a, str>>,
    /// W3C trace id, 32 hexadecimal digits.
    pub trace: Option<Cow<'a, str>>,
    /// Span id, 16 hexadecimal digits.
    pub span: Option<Cow<'a, str>>,
    /// Parent span id.
    pub parent_span: Option<Cow<'a, str>>,
    /// `gen_ai.tool.name`.
    pub tool: Option<Cow<'a, str>>,
    /// Everything else worth keeping as columns of its own would not be.
    pub attributes: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// What an investigator should know of how the record was read.
    pub notes: Vec<Cow<'a, str>>,
    /// Typed identifiers, as logged; they are normalised when stored.
    pub keys: Vec<(KeyKind, Cow<'a, str>)>,
    /// Texts for the protected table.
    pub contents: Vec<(ContentPart, Cow<'a, str>)>,
}

impl<'a> Event<'a> {
    /// An empty event of that kind.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            format: None,
            time: None,
            end_us: None,
            actor: Actor::default(),
            action: None,
            object: Object::default(),
            changes: Vec::new(),
            outcome: None,
            error: None,
            amount: None,
            currency: None,
            provider: None,
            model_requested: None,
            model_served: None,
            configuration: None,
            tokens_in: None,
            tokens_out: None,
            policy_id: None,
            policy_version: None,
            knowledge_source: None,
            agent: None,
            conversation: None,
            trace: None,
            span: None,
            parent_span: None,
            tool: None,
            attributes: Vec::new(),
            notes: Vec::new(),
            keys: Vec::new(),
            contents: Vec::new(),
        }
    }

    /// Adds a key unless the value is empty.
    pub fn key(&mut self, kind: KeyKind, value: impl Into<Cow<'a, str>>) {
        let value = value.into();
        if !value.trim().is_empty() {
            self.keys.push((kind, value));
        }
    }

    /// Adds a key if there is a value.
    pub fn key_opt(&mut self, kind: KeyKind, value: Option<impl Into<Cow<'a, str>>>) {
        if let Some(value) = value {
            self.key(kind, value);
        }
    }

    /// Adds an attribute unless the value is empty.
    pub fn attr(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) {
        let value = value.into();
        if !value.is_empty() {
            self.attributes.push((name.into(), value));
        }
    }

    /// Adds an attribute if there is a value.
    pub fn attr_opt(&mut self, name: &'static str, value: Option<impl Into<Cow<'a, str>>>) {
        if let Some(value) = value {
            self.attr(name, value);
        }
    }
}
