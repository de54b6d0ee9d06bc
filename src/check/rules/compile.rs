//! From the text of rules to what judges.

use super::*;

/// More selections would only make a policy slow; nobody reads that many rules.
const MOST_SELECTIONS: Selection = 10_000;

impl Policy {
    pub(super) fn from_files(files: Vec<(String, String)>) -> Result<Self, PolicyError> {
        Self::compile(&files, For::Everything)
    }

    /// Compiles rules. The digest is that of all files in whole, whatever of them is needed.
    pub(super) fn compile(files: &[(String, String)], need: For<'_>) -> Result<Self, PolicyError> {
        let mut policy = Self {
            name: "unnamed".to_owned(),
            version: "0".to_owned(),
            digest: Digest([0; 32]),
            valid_from: None,
            rules: Vec::new(),
            exceptions: Vec::new(),
            engine: Engine::new(),
            selections: 0,
            fields: BTreeMap::new(),
            keywords: false,
            raw_engines: BTreeMap::new(),
            raw_selections: 0,
            correlated: None,
            silent: BTreeSet::new(),
            bases: BTreeSet::new(),
            ids_by_name: BTreeMap::new(),
            waiting: Vec::new(),
            known: BTreeMap::new(),
            placeholders: BTreeMap::new(),
        };
        let mut identity = Vec::new();
        for (path, text) in files {
            identity.extend_from_slice(text.as_bytes());
            identity.push(0);
            if path.ends_with("policy.toml") {
                let head = Head::read(path, text)?;
                (policy.name, policy.version) = (head.name, head.version);
                policy.valid_from = head.valid_from;
                policy.placeholders.extend(head.placeholders);
            }
        }
        let rules: Vec<&(String, String)> = files
            .iter()
            .filter(|(path, _)| !path.ends_with("policy.toml"))
            .collect();
        let documents = side_by_side(&rules, |(path, text)| {
            let text = match need {
                For::Judging | For::Deciding(_) => without_examples(text),
                For::Everything => Cow::Borrowed(text.as_str()),
            };
            documents(path, &text)
        })?;
        // Texts of Sigma rules and correlations.
        let mut base = String::new();
        for ((path, text), documents) in rules.into_iter().zip(documents) {
            for document in documents {
                if let For::Deciding(kind) = need
                    && !may_concern(&document, kind)
                {
                    policy.silence_bases(&document);
                    continue;
                }
                policy.add(path, text, document, &mut base)?;
            }
        }
        policy.compile_selections()?;
        policy.name_bases_by_id();
        if need == For::Everything {
            policy.compile_correlations(&base)?;
        }
        policy.digest = Digest::of(&identity);
        policy.rules.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(policy)
    }

    /// Adds a document of a file. `base` collects the texts of Sigma rules and correlations.
    fn add(
        &mut self,
        path: &str,
        text: &str,
        mut value: Value,
        base: &mut String,
    ) -> Result<(), PolicyError> {
        let wrong = |reason: String| PolicyError::Rule {
            path: path.to_owned(),
            reason: with_line(reason, text),
        };
        self.expand(&mut value).map_err(wrong)?;
        if value.get("exception").is_some() {
            self.exceptions
                .push(Exception::read(path, &value).map_err(wrong)?);
            return Ok(());
        }
        if value.get("detection").is_some() || value.get("correlation").is_some() {
            // JSON is YAML.
            base.push_str(&format!("---\n{value}\n"));
        }
        self.add_rule(path, text, value).map_err(wrong)
    }

    /// Puts the values of placeholders in their places.
    pub(super) fn expand(&self, value: &mut Value) -> Result<(), String> {
        let Value::Object(map) = value else {
            for inner in value.as_array_mut().into_iter().flatten() {
                self.expand(inner)?;
            }
            return Ok(());
        };
        let keys: Vec<String> = map
            .keys()
            .filter(|key| key.split('|').skip(1).any(|modifier| modifier == "expand"))
            .cloned()
            .collect();
        for key in keys {
            let given = map.remove(&key).unwrap_or_default();
            let given = given.as_array().cloned().unwrap_or_else(|| vec![given]);
            let mut values = Vec::new();
            for value in given {
                let name = value
                    .as_str()
                    .and_then(|text| text.strip_prefix('%')?.strip_suffix('%'));
                match name {
                    None => values.push(value),
                    Some(name) => {
                        let known = self.placeholders.get(name).ok_or_else(|| {
                            format!("the placeholder %{name}% has no values: add it to [placeholders] in policy.toml")
                        })?;
                        values.extend(known.iter().cloned().map(Value::from));
                    }
                }
            }
            let plain: Vec<&str> = key.split('|').filter(|part| *part != "expand").collect();
            map.insert(plain.join("|"), Value::Array(values));
        }
        for inner in map.values_mut() {
            self.expand(inner)?;
        }
        Ok(())
    }

    fn add_rule(&mut self, path: &str, text: &str, value: Value) -> Result<(), String> {
        let before = self.waiting.len();
        let file: RuleFile = serde_json::from_value(value).map_err(|error| error.to_string())?;
        if let Some(other) = self.rules.iter().find(|rule| rule.id == file.id) {
            return Err(format!("the id {} is used in {} too", file.id, other.path));
        }
        let needs = file
            .needs
            .iter()
            .map(|name| {
                Kind::from_name(name).ok_or_else(|| format!("`{name}` is no kind of event"))
            })
            .collect::<Result<_, _>>()?;
        let examples = file
            .examples
            .read()
            .map_err(|error| format!("an example: {error}"))?;
        let logic = match (file.task, file.detection) {
            (Some(task), None) => Logic::Task(self.task_rule(task)?),
            (None, None) if file.correlation.is_some() => Logic::Correlation,
            (None, Some(detection)) => match file.logsource.formats() {
                None => {
                    odd_values(&detection)?;
                    Logic::Event(self.detect(detection)?)
                }
                Some(formats) => Logic::Raw(RawRule {
                    selection: self.detect_raw(detection, &formats)?,
                    formats: formats.into_iter().map(str::to_owned).collect(),
                    source: file.logsource.name(),
                }),
            },
            _ => return Err("a rule has one of `detection`, `correlation` and `task`".to_owned()),
        };
        if let Some(correlation) = file.correlation {
            if !correlation.generate {
                self.silent.extend(correlation.rules.iter().cloned());
            }
            self.bases.extend(correlation.rules);
        }
        if let Some(name) = file.name {
            self.ids_by_name.insert(name, file.id.clone());
        }
        self.rules.push(Rule {
            title: file.title,
            id: file.id,
            description: file.description,
            level: file.level.unwrap_or(Level::Medium),
            tags: file.tags,
            path: path.to_owned(),
            examples,
            needs,
            logic,
        });
        for waiting in &mut self.waiting[before..] {
            (waiting.path, waiting.file) = (path.to_owned(), text.to_owned());
        }
        Ok(())
    }

    fn task_rule(&mut self, task: TaskPart) -> Result<TaskRule, String> {
        let mut one = |selection: Value| {
            odd_values(&selection)?;
            self.detect(serde_json::json!({ "selection": selection, "condition": "selection" }))
        };
        let mut optional = |selection: Option<Value>| selection.map(&mut one).transpose();
        let rule = TaskRule {
            template: task.kind,
            when: optional(task.when)?,
            after: optional(task.after)?,
            with: optional(task.with)?,
            unless_before: optional(task.unless_before)?,
            unless_between: optional(task.unless_between)?,
            what: one(task.what)?,
            conditions: task
                .conditions
                .iter()
                .map(|text| Condition::parse(text))
                .collect::<Result<_, _>>()?,
            within: task.within.as_deref().map(duration).transpose()?,
            times: task.times.unwrap_or(1),
            per: task.per,
        };
        match rule.template {
            Template::Absence | Template::AtMost => {}
            Template::NotCoExistence if rule.with.is_none() => {
                return Err("not_co_existence needs a `with`".to_owned());
            }
            Template::NotCoExistence => {}
            _ if rule.when.is_none() => {
                return Err("a rule of this kind needs a `when`".to_owned());
            }
            _ => {}
        }
        let counts = rule.template == Template::AtMost;
        if !counts && (task.times.is_some() || rule.per.is_some()) {
            return Err("`times` and `per` belong to at_most".to_owned());
        }
        for condition in &rule.conditions {
            for field in condition.fields() {
                known_field(field)?;
            }
        }
        Ok(rule)
    }

    /// Compiles a Sigma detection over the normalised fields under a number of its own.
    fn detect(&mut self, detection: Value) -> Result<Selection, String> {
        for (field, asked) in fields_of(&detection, &mut self.keywords) {
            if !self.fields.contains_key(&field) {
                known_field(&field)?;
            }
            add(&mut self.fields, &field, asked);
        }
        // Many rules ask for the same events, an approval for one.
        let text = detection.to_string();
        if let Some(known) = self.known.get(&text) {
            return Ok(*known);
        }
        let number = self.selections;
        self.waiting.push(Waiting::new(number, detection, None)?);
        self.known.insert(text, number);
        self.selections += 1;
        Ok(number)
    }

    fn detect_raw(&mut self, detection: Value, formats: &[&str]) -> Result<Selection, String> {
        let number = self.raw_selections;
        let formats = formats.iter().map(|format| (*format).to_owned()).collect();
        let waiting = Waiting::new(number, detection, Some(formats))?;
        self.waiting.push(waiting);
        self.raw_selections += 1;
        Ok(number)
    }

    /// Compiles the selections that wait for it, on all cores.
    fn compile_selections(&mut self) -> Result<(), PolicyError> {
        let waiting = std::mem::take(&mut self.waiting);
        let parsed = side_by_side(&waiting, |one| {
            one.parse().map_err(|reason| one.wrong(reason))
        })?;
        for (one, rules) in waiting.iter().zip(&parsed) {
            let add = |engine: &mut Engine| {
                // One by one: adding a collection makes the index of all rules anew.
                rules.iter().try_for_each(|rule| engine.add_rule(rule))
            };
            let added = match &one.formats {
                None => add(&mut self.engine),
                // Rules for logs that trail has no reader of are checked all the same.
                Some(formats) if formats.is_empty() => add(&mut Engine::new()),
                Some(formats) => formats.iter().try_for_each(|format| {
                    add(self.raw_engines.entry(format.clone()).or_default())
                }),
            };
            added.map_err(|error| one.wrong(error.to_string()))?;
        }
        Ok(())
    }

    /// What a correlation counts is no finding by itself, also where the correlation is left out.
    fn silence_bases(&mut self, rule: &Value) {
        let Some(correlation) = rule.get("correlation") else {
            return;
        };
        if correlation.get("generate") != Some(&Value::Bool(true)) {
            let rules = correlation.get("rules").and_then(Value::as_array);
            let names = rules.into_iter().flatten().filter_map(Value::as_str);
            self.silent.extend(names.map(str::to_owned));
        }
    }

    /// A correlation refers to a rule by id or by name, perhaps before the rule was read.
    fn name_bases_by_id(&mut self) {
        for set in [&mut self.silent, &mut self.bases] {
            let ids = std::mem::take(set).into_iter();
            *set = ids
                .map(|given| self.ids_by_name.get(&given).cloned().unwrap_or(given))
                .collect();
        }
    }

    fn compile_correlations(&mut self, base: &str) -> Result<(), PolicyError> {
        if !self
            .rules
            .iter()
            .any(|rule| matches!(rule.logic, Logic::Correlation))
        {
            return Ok(());
        }
        let wrong = |reason: String| PolicyError::Rule {
            path: self.name.clone(),
            reason,
        };
        let parsed =
            rsigma_parser::parse_sigma_yaml(base).map_err(|error| wrong(error.to_string()))?;
        if let Some(error) = parsed.errors.first() {
            return Err(wrong(error.clone()));
        }
        rsigma_eval::CorrelationEngine::new(rsigma_eval::CorrelationConfig::default())
            .add_collection(&parsed)
            .map_err(|error| wrong(error.to_string()))?;
        self.correlated = Some(parsed);
        Ok(())
    }
}

/// A selection that is still to be compiled.
pub(super) struct Waiting {
    number: Selection,
    detection: Value,
    /// The formats whose records it looks at, of a selection over records as they were logged.
    formats: Option<Vec<String>>,
    path: String,
    file: String,
}

impl Waiting {
    fn new(
        number: Selection,
        detection: Value,
        formats: Option<Vec<String>>,
    ) -> Result<Self, String> {
        if number >= MOST_SELECTIONS {
            return Err(format!(
                "a policy may have {MOST_SELECTIONS} selections at most"
            ));
        }
        Ok(Self {
            number,
            detection,
            formats,
            path: String::new(),
            file: String::new(),
        })
    }

    fn parse(&self) -> Result<Vec<rsigma_parser::SigmaRule>, String> {
        let rule = serde_json::json!({
            "title": format!("selection {}", self.number),
            "id": self.number.to_string(),
            "logsource": { "product": "trail" },
            "detection": self.detection,
        });
        // JSON is YAML.
        let parsed = rsigma_parser::parse_sigma_yaml(&rule.to_string())
            .map_err(|error| error.to_string())?;
        match parsed.errors.first() {
            Some(error) => Err(error.clone()),
            None => Ok(parsed.rules),
        }
    }

    fn wrong(&self, reason: String) -> PolicyError {
        PolicyError::Rule {
            path: self.path.clone(),
            reason: with_line(reason, &self.file),
        }
    }
}

/// Whether a rule can be broken by an event of that kind that comes last: one of its selections lets
/// such an event in, and it waits for nothing that comes later.
fn may_concern(rule: &Value, kind: &str) -> bool {
    let lets_in = |selection: &Value| match selection.get("kind") {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(several)) => several.iter().any(|one| one == kind),
        _ => true,
    };
    if rule.get("correlation").is_some() {
        // Correlations look over all of a store.
        return false;
    }
    if let Some(task) = rule.get("task") {
        let template = task.get("kind").and_then(Value::as_str).unwrap_or_default();
        let waits = ["response", "chain_response", "existence"].contains(&template);
        let parts = [
            "when",
            "what",
            "after",
            "with",
            "unless_before",
            "unless_between",
        ];
        let mut selections = parts.iter().filter_map(|part| task.get(part));
        return !waits && selections.any(lets_in);
    }
    let Some(detection) = rule.get("detection") else {
        return true;
    };
    // `selection`, or `selection and …`: that selection has to fit, whatever stands behind.
    let condition = detection
        .get("condition")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let words: Vec<&str> = condition.split_whitespace().collect();
    match words[..] {
        [first] | [first, "and", ..] if !words.contains(&"or") => {
            detection.get(first).is_none_or(lets_in)
        }
        _ => true,
    }
}

/// The documents of a YAML file.
fn documents(path: &str, text: &str) -> Result<Vec<Value>, PolicyError> {
    let mut documents = Vec::new();
    for document in yaml_serde::Deserializer::from_str(text) {
        let value = Value::deserialize(document).map_err(|error| PolicyError::Rule {
            path: path.to_owned(),
            reason: with_line(error.to_string(), text),
        })?;
        if !value.is_null() {
            documents.push(value);
        }
    }
    Ok(documents)
}
