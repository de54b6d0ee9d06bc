//! From what a mapping file says to what is done with a record.

use super::*;

pub(super) fn recognition(file: &File) -> Result<Recognition, Fault> {
    let is_text = file.container == Container::Text;
    if is_text == file.lines.is_empty() {
        return Err(fault(
            "`lines` goes with `container = \"text\"`, and with nothing else",
            &file.name,
        ));
    }
    let detect = &file.detect;
    let conditions = Conditions {
        all: detect.all.iter().map(path).collect::<Result<_, _>>()?,
        any: detect.any.iter().map(path).collect::<Result<_, _>>()?,
        none: detect.none.iter().map(path).collect::<Result<_, _>>()?,
        matches: detect
            .matches
            .iter()
            .map(|(name, pattern)| {
                let path = Path::parse(name).map_err(|reason| fault(reason, pattern))?;
                Ok((path, regex(pattern)?))
            })
            .collect::<Result<_, Fault>>()?,
        sure: detect.sure.unwrap_or(80).min(100),
    };
    let nothing = conditions.all.is_empty()
        && conditions.any.is_empty()
        && conditions.matches.is_empty()
        && !is_text;
    if nothing {
        return Err(fault(
            "[detect] says nothing by which the format is recognised",
            &file.name,
        ));
    }
    Ok(Recognition {
        conditions,
        lines: file.lines.iter().map(regex).collect::<Result<_, _>>()?,
        record_start: file.record_start.as_ref().map(regex).transpose()?,
        record_goes_on: file.record_goes_on.as_ref().map(regex).transpose()?,
        inside: file.inside.as_ref().map(path).transpose()?,
        skip: file.skip.as_ref().map(regex).transpose()?,
    })
}

pub(super) fn rules(file: &File) -> Result<Rules, Fault> {
    let optional = |value: &Option<language::Expr>| value.as_ref().map(Value::compile).transpose();
    let mut when = Vec::new();
    for condition in &file.when {
        when.push(Condition {
            value: Value::compile(&condition.value)?,
            matches: condition.matches.as_ref().map(regex).transpose()?,
            set: columns(&condition.set)?,
        });
    }
    Ok(Rules {
        each: file.each.as_ref().map(Elements::compile).transpose()?,
        within: file.within.iter().map(path).collect::<Result<_, _>>()?,
        time: match &file.time {
            Some(time) => Some(Times {
                value: Value::compile(&time.value)?,
                end: optional(&time.end)?,
                duration: optional(&time.duration)?,
                unit: time.unit,
                format: time.format.as_ref().map(|format| format.get_ref().clone()),
                zone: time.zone,
                optional: time.optional,
            }),
            None => None,
        },
        event: columns(&file.event)?,
        http: match &file.http {
            Some(http) => Some(Requests {
                method: optional(&http.method)?,
                uri: optional(&http.uri)?,
                status: optional(&http.status)?,
                headers: http.headers.as_ref().map(path).transpose()?,
                traceparent: optional(&http.traceparent)?,
                body: optional(&http.body)?,
            }),
            None => None,
        },
        sql: match &file.sql {
            Some(sql) => Some(Statements {
                statement: Value::compile(&sql.statement)?,
                parameters: optional(&sql.parameters)?,
                save: optional(&sql.save)?,
            }),
            None => None,
        },
        call: match &file.call {
            Some(call) => Some(Bodies {
                request: call.request.as_ref().map(path).transpose()?,
                response: call.response.as_ref().map(path).transpose()?,
                url: optional(&call.url)?,
                status: optional(&call.status)?,
            }),
            None => None,
        },
        contents: named(&file.contents, CONTENTS, "[contents]")?,
        changes: file
            .changes
            .iter()
            .map(|rows| {
                Ok(ChangeRows {
                    each: rows.each.as_ref().map(Elements::compile).transpose()?,
                    field: Value::compile(&rows.field)?,
                    before: optional(&rows.before)?,
                    after: optional(&rows.after)?,
                })
            })
            .collect::<Result<_, Fault>>()?,
        keys: file
            .keys
            .iter()
            .map(|key| {
                let kind = KeyKind::from_name(key.kind.get_ref()).ok_or_else(|| {
                    let kinds: Vec<&str> = KeyKind::ALL.iter().map(|kind| kind.as_str()).collect();
                    fault(
                        format!("no such kind of key; kinds are {}", kinds.join(", ")),
                        &key.kind,
                    )
                })?;
                Ok((kind, Value::compile(&key.value)?))
            })
            .collect::<Result<_, Fault>>()?,
        attributes: file
            .attributes
            .iter()
            .map(|(name, value)| Ok((name.clone(), Value::compile(value)?)))
            .collect::<Result<_, Fault>>()?,
        when,
    })
}

type Named = std::collections::BTreeMap<String, language::Expr>;

fn named(
    given: &Named,
    known: &'static [&'static str],
    section: &str,
) -> Result<Vec<(&'static str, Value)>, Fault> {
    given
        .iter()
        .map(|(name, expr)| {
            let column = known
                .iter()
                .find(|known| *known == name)
                .ok_or_else(|| Fault {
                    reason: format!("{section} has no `{name}`; there are {}", known.join(", ")),
                    span: Some(expr.span.clone()),
                })?;
            Ok((*column, Value::compile(expr)?))
        })
        .collect()
}

/// Columns of an event; values of closed lists are checked as far as they stand in the file.
fn columns(given: &Named) -> Result<Vec<(&'static str, Value)>, Fault> {
    for (name, expr) in given {
        let known = |text: &str| match name.as_str() {
            "kind" => Kind::from_name(text).is_some(),
            "outcome" => Outcome::from_name(text).is_some(),
            "actor_type" => ActorType::from_name(text).is_some(),
            _ => true,
        };
        let mut wrong = None;
        constants(&expr.form, &mut |text| {
            if !known(text) {
                wrong.get_or_insert_with(|| text.to_owned());
            }
        });
        if let Some(text) = wrong {
            return Err(Fault {
                reason: format!("`{text}` is no {name}"),
                span: Some(expr.span.clone()),
            });
        }
    }
    named(given, FIELDS, "[event]")
}

fn constants(form: &language::Form, visit: &mut dyn FnMut(&str)) {
    match form {
        language::Form::Path(_) => {}
        language::Form::First(list) => list.iter().for_each(|form| constants(form, visit)),
        language::Form::Made(made) => {
            made.constant.iter().for_each(|text| visit(text));
            made.default.iter().for_each(|text| visit(text));
            made.map.iter().flatten().for_each(|(_, text)| visit(text));
            made.matches.iter().for_each(|rule| visit(&rule.value));
        }
    }
}
